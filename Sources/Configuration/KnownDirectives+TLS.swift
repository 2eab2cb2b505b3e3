// Names of httpd's modules about encryption and certificates.

extension KnownDirectives {
  static let tlsFamilies: [Family] = [
    Family(
      "mod_ssl",
      .ignored("sessions are resumed by tickets, whose keys all workers share; there is no cache"),
      "SSLSessionCache SSLSessionCacheTimeout"),
    Family(
      "mod_ssl", .ignored("the library takes its randomness from the kernel"), "SSLRandomSeed"),
    Family("mod_ssl", .ignored("no lock is shared that it could name"), "SSLMutex"),
    Family("mod_ssl", .ignored("keys are files, and no device is asked"), "SSLCryptoDevice"),
    Family("mod_ssl", .ignored("the error log has it all"), "SSLLog SSLLogLevel"),
    Family("mod_ssl", .ignored("no connection is renegotiated"), "SSLRenegBufferSize"),
    Family(
      "mod_ssl", .ignored("keys with a passphrase are refused, so that nobody is asked for one"),
      "SSLPassPhraseDialog"),
    Family("mod_ssl", .ignored("OCSP responses are kept in memory"), "SSLStaplingCache"),
    Family(
      "mod_ssl",
      .ignored("only good OCSP responses are sent; a client does better without a bad one"),
      "SSLStaplingFakeTryLater SSLStaplingReturnResponderErrors"),
    Family(
      "mod_ssl",
      .refusedBecause(
        """
        decides about client certificates by asking a responder, which is not implemented: \
        revoked ones could pass; use SSLCARevocationCheck and SSLCARevocationFile
        """),
      """
      SSLOCSPDefaultResponder SSLOCSPEnable SSLOCSPNoverify SSLOCSPOverrideResponder
      SSLOCSPProxyURL SSLOCSPResponderCertificateFile SSLOCSPResponderTimeout
      SSLOCSPResponseMaxAge SSLOCSPResponseTimeSkew SSLOCSPUseRequestNonce
      """),
    Family(
      "mod_ssl",
      .refusedBecause(
        """
        decides which sites may answer on each other's connections, and is not implemented: here \
        it is always those with the same versions, ciphers and client certificates; remove it
        """), "SSLVHostSNIPolicy"),
    Family(
      "mod_ssl", .refused(.encryption),
      """
      SSLECHKeyDir SSLFIPS SSLPolicy SSLPolicyDefine SSLSRPUnknownUserSeed SSLSRPVerifierFile
      """),
    Family("mod_ssl", .refused(.environment), "SSLClientHelloVars"),
    Family(
      "mod_ssl", .refused(.proxying),
      """
      SSLProxyCACertificateFile SSLProxyCACertificatePath SSLProxyCARevocationCheck
      SSLProxyCARevocationFile SSLProxyCARevocationPath SSLProxyCheckPeerCN
      SSLProxyCheckPeerExpire SSLProxyCheckPeerName SSLProxyCipherSuite SSLProxyEngine
      SSLProxyMachineCertificateChainFile SSLProxyMachineCertificateFile
      SSLProxyMachineCertificatePath SSLProxyProtocol SSLProxyVerify SSLProxyVerifyDepth
      """),
    Family("mod_ssl", .refused(.access), "SSLRequire"),
    Family("mod_ssl", .refused(.login), "SSLUserName"),
    Family(
      "mod_ssl_ct", .refused(.encryption),
      """
      CTAuditStorage CTLogClient CTLogConfigDB CTMaxSCTAge CTProxyAwareness CTSCTStorage
      CTServerHelloSCTLimit CTStaticLogConfig CTStaticSCTs
      """),
    Family(
      "mod_tls", .refused(.encryption),
      """
      TLSCertificate TLSCiphersPrefer TLSCiphersSuppress TLSEngine TLSHonorClientOrder TLSOptions
      TLSProtocol TLSProxyCA TLSProxyCiphersPrefer TLSProxyCiphersSuppress TLSProxyEngine
      TLSProxyMachineCertificate TLSProxyProtocol TLSSessionCache TLSStrictSNI
      """),
    Family(
      "mod_md", .refused(.encryption),
      """
      MDActivationDelay MDBaseServer MDCAChallenges MDCertificateAgreement MDCertificateAuthority
      MDCertificateCheck MDCertificateFile MDCertificateKeyFile MDCertificateMonitor
      MDCertificateProtocol MDCertificateStatus MDChallengeDns01 MDChallengeDns01Version
      MDCheckInterval MDContactEmail MDDriveMode MDExternalAccountBinding MDHttpProxy
      MDInitialDelay MDMatchNames MDMember MDMembers MDMessageCmd MDMustStaple MDNotifyCmd
      MDPortMap MDPrivateKeys MDProfile MDProfileMandatory MDRenewMode MDRenewViaARI MDRenewWindow
      MDRequireHttps MDRetryDelay MDRetryFailover MDServerStatus MDStapleOthers MDStapling
      MDStaplingKeepResponse MDStaplingRenewWindow MDStoreDir MDStoreLocks MDWarnWindow MDomain
      MDomainSet
      """),
    Family("mod_nw_ssl", .refused(.encryption), "NWSSLTrustedCerts NWSSLUpgradeable SecureListen"),
  ]
}
