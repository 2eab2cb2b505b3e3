// Names of httpd's modules about who may see what: access, logins, sessions, directories of users.

extension KnownDirectives {
  static let accessFamilies: [Family] = [
    Family(
      "mod_access_compat",
      .refusedBecause(
        """
        is the access control of httpd 2.2, which is not implemented: ignoring it would open what \
        it protects; write 'Require all granted', 'Require all denied' or 'Require ip NETWORK'
        """), "Allow Deny Order Satisfy"),
    Family("mod_allowhandlers", .refused(.access), "AllowHandlers"),
    Family("mod_allowmethods", .refused(.access), "AllowMethods"),
    Family(
      "mod_authz_core", .refused(.access),
      "AuthMerging AuthzProviderAlias AuthzSendForbiddenOnFailure"),
    Family(
      "mod_auth_basic", .refused(.login),
      """
      AuthBasicAuthoritative AuthBasicFake AuthBasicProvider AuthBasicUseDigestAlgorithm
      """),
    Family(
      "mod_auth_bearer", .refused(.login),
      "AuthBearerAuthoritative AuthBearerProvider AuthBearerProxy"),
    Family("mod_autht_core", .refused(.login), "AuthtProviderAlias"),
    Family(
      "mod_autht_jwt", .refused(.login),
      """
      AuthtJwtClaim AuthtJwtDirective AuthtJwtDriver AuthtJwtSign AuthtJwtVerify
      """),
    Family(
      "mod_auth_digest", .refused(.login),
      """
      AuthDigestAlgorithm AuthDigestDomain AuthDigestEnableQueryStringHack AuthDigestFile
      AuthDigestGroupFile AuthDigestNcCheck AuthDigestNonceFormat AuthDigestNonceLifetime
      AuthDigestProvider AuthDigestQop AuthDigestShmemSize
      """),
    Family(
      "mod_auth_form", .refused(.login),
      """
      AuthFormAuthoritative AuthFormBody AuthFormDisableNoStore AuthFormFakeBasicAuth
      AuthFormLocation AuthFormLoginRequiredLocation AuthFormLoginSuccessLocation
      AuthFormLogoutLocation AuthFormMethod AuthFormMimetype AuthFormPassword AuthFormProvider
      AuthFormSitePassphrase AuthFormSize AuthFormUsername
      """),
    Family(
      "mod_authn_anon", .refused(.login),
      """
      Anonymous Anonymous_Authoritative Anonymous_LogEmail Anonymous_MustGiveEmail
      Anonymous_NoUserID Anonymous_VerifyEmail
      """),
    Family("mod_authn_core", .refused(.login), "AuthName AuthType AuthnProviderAlias"),
    Family("mod_authn_dbd", .refused(.login), "AuthDBDUserPWQuery AuthDBDUserRealmQuery"),
    Family("mod_authn_dbm", .refused(.login), "AuthDBMType AuthDBMUserFile AuthDBMAuthoritative"),
    Family("mod_authn_file", .refused(.login), "AuthUserFile"),
    Family(
      "mod_authn_socache", .refused(.login),
      """
      AuthnCacheContext AuthnCacheEnable AuthnCacheProvideFor AuthnCacheSOCache AuthnCacheTimeout
      """),
    Family("mod_authn_default", .refused(.login), "AuthDefaultAuthoritative"),
    Family("mod_auth", .refused(.login), "AuthAuthoritative AuthDBUserFile AuthDBGroupFile"),
    Family(
      "mod_authnz_fcgi", .refused(.login),
      "AuthnzFcgiCheckAuthnProvider AuthnzFcgiDefineProvider"),
    Family(
      "mod_authnz_ldap", .refused(.login),
      """
      AuthLDAPAuthorizePrefix AuthLDAPBindAuthoritative AuthLDAPBindDN AuthLDAPBindPassword
      AuthLDAPCharsetConfig AuthLDAPCompareAsUser AuthLDAPCompareDNOnServer
      AuthLDAPDereferenceAliases AuthLDAPEnabled AuthLDAPGroupAttribute AuthLDAPGroupAttributeIsDN
      AuthLDAPInitialBindAsUser AuthLDAPInitialBindPattern AuthLDAPMaxSubGroupDepth
      AuthLDAPRemoteUserAttribute AuthLDAPRemoteUserIsDN AuthLDAPSearchAsUser
      AuthLDAPSubGroupAttribute AuthLDAPSubGroupClass AuthLDAPURL AuthzLDAPAuthoritative
      """),
    Family(
      "mod_authz_dbd", .refused(.login),
      "AuthzDBDLoginToReferer AuthzDBDQuery AuthzDBDRedirectQuery"),
    Family(
      "mod_authz_dbm", .refused(.login),
      "AuthDBMGroupFile AuthzDBMAuthoritative AuthzDBMType"),
    Family(
      "mod_authz_groupfile", .refused(.login),
      "AuthGroupFile AuthzGroupFileAuthoritative"),
    Family("mod_authz_owner", .refused(.login), "AuthzOwnerAuthoritative"),
    Family("mod_authz_user", .refused(.login), "AuthzUserAuthoritative"),
    Family("mod_authz_default", .refused(.login), "AuthzDefaultAuthoritative"),
    Family(
      "mod_ldap", .refused(.login),
      """
      LDAPCacheEntries LDAPCacheTTL LDAPConnectionPoolTTL LDAPConnectionTimeout LDAPLibraryDebug
      LDAPOpCacheEntries LDAPOpCacheTTL LDAPReferralHopLimit LDAPReferrals LDAPRetries
      LDAPRetryDelay LDAPSharedCacheFile LDAPSharedCacheSize LDAPTimeout LDAPTrustedCA
      LDAPTrustedCAType LDAPTrustedClientCert LDAPTrustedGlobalCert LDAPTrustedMode
      LDAPVerifyServerCert
      """),
    Family(
      "mod_session", .refused(.login),
      """
      Session SessionEnv SessionExclude SessionExpiryUpdateInterval SessionHeader SessionInclude
      SessionMaxAge
      """),
    Family(
      "mod_session_cookie", .refused(.login),
      """
      SessionCookieMaxAge SessionCookieName SessionCookieName2 SessionCookieRemove
      """),
    Family(
      "mod_session_crypto", .refused(.login),
      """
      SessionCryptoCipher SessionCryptoDriver SessionCryptoPassphrase SessionCryptoPassphraseFile
      """),
    Family(
      "mod_session_dbd", .refused(.login),
      """
      SessionDBDCookieName SessionDBDCookieName2 SessionDBDCookieRemove SessionDBDDeleteLabel
      SessionDBDInsertLabel SessionDBDPerUser SessionDBDSelectLabel SessionDBDUpdateLabel
      """),
    Family(
      "mod_dbd", .refused(.login),
      """
      DBDExptime DBDInitSQL DBDKeep DBDMax DBDMin DBDParams DBDPersist DBDPrepareSQL DBDriver
      """),
  ]
}
