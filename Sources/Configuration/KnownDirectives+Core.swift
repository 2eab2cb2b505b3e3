// Names of httpd's core, of its process models, and of modules about logs and the server itself.

extension KnownDirectives {
  private static let processes = "Ring3 has its own process model; see Workers"
  private static let tuning = "it tunes the inside of httpd and changes no response"

  static let coreFamilies: [Family] = [
    Family(
      "core", .ignored(tuning),
      """
      AcceptFilter AsyncFilter DefaultRuntimeDir DefaultStateDir EnableMMAP EnableSendfile
      ExtendedStatus FlushMaxPipelined FlushMaxThreshold GprofDir LimitInternalRecursion
      LimitXMLRequestBody MergeTrailers Mutex ReadBufferSize SeeRequestTail
      """),
    Family(
      "core", .ignored("logs and access rules here hold addresses, and no name is looked up"),
      "HostnameLookups"),
    Family("core", .ignored("error log lines have one form"), "ErrorLogFormat LogLevelOverride"),
    Family("core", .ignored("names are told apart on every address"), "NameVirtualHost"),
    Family(
      "core", .ignored("httpd 2.4 gives it no effect either; use AddType or ForceType"),
      "DefaultType"),
    Family("core", .ignored("no .htaccess files are read"), "AccessFileName"),
    Family(
      "core", .ignored("no programs are run that it could limit"),
      "RLimitCPU RLimitMEM RLimitNPROC"),
    Family(
      "core", .refused(.execution),
      """
      CGIMapExtension CGIPassAuth CGIVar ScriptInterpreterSource SetInputFilter
      """),
    Family("core", .refused(.access), "AllowOverrideList Limit LimitExcept"),
    Family("core", .refused(.conditions), "If ElseIf Else IfDirective IfFile IfSection"),
    Family("mod_version", .refused(.conditions), "IfVersion"),
    Family("mod_macro", .refused(.conditions), "Macro UndefMacro Use"),
    Family(
      "core", .refused(.content),
      """
      ContentDigest HttpContentLengthHeadZero HttpExpectStrict HttpProtocolOptions
      MaxRangeOverlaps MaxRangeReversals MaxRanges
      MergeSlashes Protocol QualifyRedirectURL RegexDefaultOptions RegisterHttpMethod ServerPath
      StrictHostCheck UseCanonicalPhysicalPort
      """),
    Family("core", .refusedBecause("stops here, because the configuration asks for it"), "Error"),
    Family("core", .ignored("it only prints a message of the configuration"), "Warning"),
    Family(
      "core", .refusedBecause("is from httpd 1.3: use Listen [ADDRESS:]PORT"),
      "BindAddress Port"),
    Family(
      "core", .refusedBecause("is from httpd 1.3: use Include"),
      "AccessConfig ResourceConfig"),
    Family(
      "core", .ignored("it is from httpd 1.3 and needs no equivalent"),
      "AddModule ClearModuleList ServerType"),
    Family(
      "mpm_common", .ignored(processes),
      """
      AcceptErrorsNonFatal AcceptMutex AsyncRequestWorkerFactor CoreDumpDirectory
      EnableExceptionHook ListenCoresBucketsRatio ListenFree ListenTCPDeferAccept LockFile
      MaxClients MaxMemFree MaxRequestWorkers MaxSpareServers
      MaxSpareThreads MaxSpareThreadsPerChild MaxThreads MaxThreadsPerChild MinSpareServers
      MinSpareThreads NumServers ReceiveBufferSize ScoreBoardFile SendBufferSize ServerLimit
      StartServers StartThreads ThreadLimit ThreadStackSize ThreadsPerChild Win32DisableAcceptEx
      """),
    Family(
      "mod_so", .ignored("each directive decides for itself whether it is implemented"),
      "LoadFile LoadModule"),
    Family("mod_request", .ignored("no body is kept for a later handler"), "KeptBodySize"),
    Family(
      "mod_systemd", .ignored("the server is notified and stopped by systemd itself"),
      "IdleShutdown"),
    Family("mod_watchdog", .ignored(processes), "WatchdogInterval"),
    Family("mod_heartbeat", .ignored(processes), "HeartbeatAddress"),
    Family(
      "mod_heartmonitor", .ignored(processes),
      "HeartbeatListen HeartbeatMaxServers HeartbeatStorage"),
    Family("mod_unixd", .refused(.identity), "ChrootDir"),
    Family("mod_unixd", .refused(.execution), "Suexec"),
    Family("mod_suexec", .refused(.execution), "SuexecUserGroup"),
    Family(
      "mod_privileges", .refused(.identity),
      """
      DTracePrivileges PrivilegesMode VHostCGIMode VHostCGIPrivs VHostGroup VHostPrivs VHostSecure
      VHostUser
      """),
    Family(
      "mod_log_config",
      .refusedBecause(
        """
        defines a log format, which is not implemented: the formats are common, combined and \
        proxied, and CustomLog names one of them
        """), "LogFormat"),
    Family("mod_log_config", .refused(.logging), "CookieLog GlobalLog TransferLog"),
    Family(
      "mod_log_config", .ignored("logs are always buffered, for at most a second"),
      "BufferedLogs"),
    Family("mod_log_debug", .refused(.logging), "LogMessage"),
    Family("mod_log_forensic", .refused(.logging), "ForensicLog"),
    Family("mod_log_agent", .refused(.logging), "AgentLog"),
    Family("mod_log_referer", .refused(.logging), "RefererIgnore RefererLog"),
    Family(
      "mod_logio", .ignored("the log formats have no such value"),
      "LogIOTrackTTFB LogIOTrackTTFU"),
    Family(
      "mod_ident", .ignored("the log's identity column is always empty"),
      "IdentityCheck IdentityCheckTimeout"),
    Family(
      "mod_dumpio", .ignored("it only writes to a log for finding faults"),
      "DumpIOInput DumpIOLogLevel DumpIOOutput"),
    Family(
      "mod_firehose", .ignored("it only records traffic for finding faults"),
      """
      FirehoseConnectionInput FirehoseConnectionOutput FirehoseProxyConnectionInput
      FirehoseProxyConnectionOutput FirehoseRequestInput FirehoseRequestOutput
      """),
    Family("mod_info", .ignored("it adds to a page that only a handler shows"), "AddModuleInfo"),
    Family("mod_dialup", .ignored("it only slows responses down"), "ModemStandard"),
    Family("mod_example_hooks", .ignored("it is an example without effect"), "Example"),
    Family(
      "mod_http2", .ignored("one process serves many streams; there are no threads to number"),
      "H2MaxWorkerIdleSeconds H2MaxWorkers H2MinWorkers"),
    Family(
      "mod_http2", .ignored("browsers have given up pushed responses, and none are made"),
      "H2Push H2PushDiarySize H2PushPriority H2PushResource"),
    Family(
      "mod_http2", .ignored("a hint says nothing that the response does not say"),
      "H2EarlyHint H2EarlyHints"),
    Family(
      "mod_http2", .ignored("bodies are sent from where they are, and not collected first"),
      "H2CopyFiles H2OutputBuffering H2SerializeHeaders H2SessionExtraFiles H2StreamMaxMemSize"),
    Family(
      "mod_http2", .ignored("records grow with a connection's use by themselves"),
      "H2TLSCoolDownSecs H2TLSWarmUpSize"),
    Family(
      "mod_http2", .ignored("responses' heads have one limit, whatever the version"),
      "H2MaxHeaderBlockLen"),
    Family(
      "mod_http2", .ignored("clients of today do without; Header set Alt-Svc says the same"),
      "H2AltSvc H2AltSvcMaxAge"),
    Family(
      "mod_http2",
      .refusedBecause(
        "hides the lengths of responses, which is not implemented: they would be seen; remove it"),
      "H2Padding"),
    Family("mod_http2", .refused(.proxying), "H2ProxyRequests H2WebSockets"),
    Family("mod_ratelimit", .ignored("it only slows responses down"), "RateLimit"),
  ]
}
