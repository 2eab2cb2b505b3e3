// Names of httpd's modules about encryption and certificates.

extension KnownDirectives {
  private static let noTLS = "no site is encrypted, so that it has nothing to act on"

  static let tlsFamilies: [Family] = [
    Family(
      "mod_ssl", .ignored(noTLS),
      """
      SSLCryptoDevice SSLLog SSLLogLevel SSLMutex SSLPassPhraseDialog SSLRandomSeed SSLSessionCache
      SSLSessionCacheTimeout SSLStaplingCache
      """),
    Family(
      "mod_ssl", .refused(.encryption),
      """
      SSLCACertificateFile SSLCACertificatePath SSLCADNRequestFile SSLCADNRequestPath
      SSLCARevocationCheck SSLCARevocationFile SSLCARevocationPath SSLCertificateChainFile
      SSLCertificateFile SSLCertificateKeyFile SSLCipherSuite SSLClientHelloVars SSLCompression
      SSLECHKeyDir SSLEngine SSLFIPS SSLHonorCipherOrder SSLInsecureRenegotiation
      SSLOCSPDefaultResponder SSLOCSPEnable SSLOCSPNoverify SSLOCSPOverrideResponder
      SSLOCSPProxyURL SSLOCSPResponderCertificateFile SSLOCSPResponderTimeout
      SSLOCSPResponseMaxAge SSLOCSPResponseTimeSkew SSLOCSPUseRequestNonce SSLOpenSSLConfCmd
      SSLOptions SSLPolicy SSLPolicyDefine SSLProtocol SSLProxyCACertificateFile
      SSLProxyCACertificatePath SSLProxyCARevocationCheck SSLProxyCARevocationFile
      SSLProxyCARevocationPath SSLProxyCheckPeerCN SSLProxyCheckPeerExpire SSLProxyCheckPeerName
      SSLProxyCipherSuite SSLProxyEngine SSLProxyMachineCertificateChainFile
      SSLProxyMachineCertificateFile SSLProxyMachineCertificatePath SSLProxyProtocol SSLProxyVerify
      SSLProxyVerifyDepth SSLRenegBufferSize SSLSRPUnknownUserSeed SSLSRPVerifierFile
      SSLSessionTicketKeyFile SSLSessionTickets SSLStaplingErrorCacheTimeout
      SSLStaplingFakeTryLater SSLStaplingForceURL SSLStaplingResponderTimeout
      SSLStaplingResponseMaxAge SSLStaplingResponseTimeSkew SSLStaplingReturnResponderErrors
      SSLStaplingStandardCacheTimeout SSLStrictSNIVHostCheck SSLUseStapling SSLUserName
      SSLVHostSNIPolicy
      """),
    Family("mod_ssl", .refused(.access), "SSLRequire SSLRequireSSL SSLVerifyClient SSLVerifyDepth"),
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
