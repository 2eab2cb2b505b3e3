// swift-tools-version: 6.2
// Ring3: a web server in user mode. Targets are rooms; a room imports only what its line names.
import PackageDescription

/// Applied to every Swift target: bugs the compiler can see are errors, unsafe code must say so.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0335-existential-any.md
  .enableUpcomingFeature("ExistentialAny"),
  // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0444-member-import-visibility.md
  .enableUpcomingFeature("MemberImportVisibility"),
  // Spans that outlive the expression that made them (@_lifetime).
  .enableExperimentalFeature("Lifetimes"),
]

/// Small accessors of one room are inlined into another: a hit crosses four rooms. The plain
/// `-cross-module-optimization` does that for `public` names only; ours are all `package`, which
/// takes package optimisation, and that in turn modules built for evolution.
let roomSettings: [SwiftSetting] = [
  .unsafeFlags(
    [
      "-enable-library-evolution", "-no-verify-emitted-module-interface",
      "-no-emit-module-separately-wmo",
      "-Xfrontend", "-experimental-package-cmo",
      "-Xfrontend", "-experimental-allow-non-resilient-access",
      // Master, workers and helpers have one thread each (asserted before each fork), so that no
      // reference count needs a locked instruction: hundreds of them a request passed on. Tests run
      // in many threads, and are built for debugging.
      "-assume-single-threaded",
    ], .when(configuration: .release))
]
let rooms: Set = [
  "Platform", "TLS", "HTTP", "HTTP2", "Coding", "Namespace", "Programs", "Configuration", "Cache",
  "Worker", "Master",
]

let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "Ring3",
  products: [
    .executable(name: "ring3d", targets: ["ring3d"]),
    .executable(name: "ring3ctl", targets: ["ring3ctl"]),
    .library(name: "Ring3App", targets: ["Ring3App"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .target(name: "CLinux"),
    .systemLibrary(
      name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
    .systemLibrary(name: "CIDN2", pkgConfig: "libidn2", providers: [.apt(["libidn2-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(
      name: "CBrotli", pkgConfig: "libbrotlienc", providers: [.apt(["libbrotli-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .target(name: "Platform", dependencies: ["CLinux", "CPCRE2", "CIDN2"]),
    .target(name: "TLS", dependencies: ["COpenSSL", "Platform"]),
    .target(name: "HTTP2", dependencies: ["HTTP", "Platform"]),
    .target(name: "HTTP"),
    .target(name: "Coding", dependencies: ["CZlib", "CBrotli", "CZstd", "HTTP", "Platform"]),
    .target(name: "Namespace", dependencies: ["HTTP", "Platform"]),
    .target(name: "Programs", dependencies: ["Platform"]),
    .target(
      name: "Configuration", dependencies: ["HTTP", "Namespace", "Platform", "Programs"]),
    .target(name: "Cache", dependencies: ["Platform"]),
    .target(
      name: "Worker",
      dependencies: [
        "Cache", "Coding", "Configuration", "HTTP", "HTTP2", "Namespace", "Platform", "TLS",
      ]),
    .target(
      name: "Master",
      dependencies: [
        "Worker", "Cache", "Configuration", "HTTP", "Namespace", "Platform", "Programs", "TLS",
      ]),
    .executableTarget(
      name: "ring3d", dependencies: ["Master", "Configuration", "Platform", argumentParser]),
    .executableTarget(
      name: "ring3ctl", dependencies: ["Platform", "Programs", argumentParser]),
    // For applications, in packages of their own: it needs no other room and no system library, and
    // is built without flags that SwiftPM would not accept of a dependency.
    .target(name: "Ring3App", dependencies: ["CLinux"]),
    // What the tests and tools that talk to the real binaries share; no server code is in it.
    .systemLibrary(
      name: "CBrotliDecoder", path: "Tests/CBrotliDecoder", pkgConfig: "libbrotlidec",
      providers: [.apt(["libbrotli-dev"])]),
    // Another HTTP/2, whose header compression ours is compared with.
    .systemLibrary(
      name: "CNGHTTP2", path: "Tests/CNGHTTP2", pkgConfig: "libnghttp2",
      providers: [.apt(["libnghttp2-dev"])]),
    .target(
      name: "TestSupport", dependencies: ["COpenSSL", "CZlib", "CZstd", "CBrotliDecoder"],
      path: "Tests/TestSupport"),
    .executableTarget(
      name: "loadclient", dependencies: ["TestSupport", argumentParser], path: "tools/loadclient"),
    .executableTarget(
      name: "cachebench", dependencies: ["Cache", "Platform", argumentParser],
      path: "tools/cachebench.d"),
    .executableTarget(
      name: "cachesim", dependencies: ["Cache", "Platform", argumentParser],
      path: "tools/cachesim.d"),
    .executableTarget(
      name: "torture", dependencies: ["Cache", "Platform", argumentParser],
      path: "tools/torture.d"),
    // Tries forbidden things from inside the sandbox; not shipped.
    .executableTarget(
      name: "sandboxprobe", dependencies: ["Platform"], path: "tools/sandboxprobe"),
    .testTarget(name: "PlatformTests", dependencies: ["CLinux", "Platform"]),
    .testTarget(
      name: "TLSTests", dependencies: ["COpenSSL", "TLS", "Platform"], exclude: ["Data"]),
    .testTarget(name: "HTTPTests", dependencies: ["HTTP"], exclude: ["Data"]),
    .testTarget(name: "HTTP2Tests", dependencies: ["HTTP2", "CNGHTTP2", "HTTP", "Platform"]),
    .testTarget(
      name: "CodingTests", dependencies: ["Coding", "HTTP", "Platform", "TestSupport"]),
    .testTarget(name: "NamespaceTests", dependencies: ["Namespace", "HTTP", "Platform"]),
    .testTarget(name: "ProgramsTests", dependencies: ["Programs", "Platform"]),
    .testTarget(
      name: "ConfigurationTests",
      dependencies: ["Configuration", "HTTP", "Namespace", "Platform", "Programs"],
      exclude: ["Golden"]),
    .testTarget(name: "CacheTests", dependencies: ["Cache", "Platform"]),
    .testTarget(
      name: "WorkerTests",
      dependencies: [
        "CLinux", "Worker", "Cache", "Coding", "Configuration", "HTTP", "Platform",
        "TestSupport",
      ]),
    .testTarget(
      name: "MasterTests",
      dependencies: ["Master", "Worker", "Configuration", "Namespace", "Platform", "TLS"]),
    .testTarget(name: "Ring3AppTests", dependencies: ["Ring3App", "TestSupport"]),
    .testTarget(name: "ServerTests", dependencies: ["Ring3App", "TestSupport"]),
    .testTarget(name: "TidyTests"),
  ],
  swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system && target.name != "CLinux" {
  target.swiftSettings = settings + (rooms.contains(target.name) ? roomSettings : [])
}

// Checked out by SwiftPM for an application's package, only the library counts: a target's name is
// its own in all of such a graph, and others have a Configuration too (swift-configuration).
let place = Context.packageDirectory.split(separator: "/")
if place.count > 2, place[place.count - 2] == "checkouts" {
  package.dependencies = []
  package.products.removeAll { $0.name != "Ring3App" }
  package.targets.removeAll { !["CLinux", "Ring3App"].contains($0.name) }
}
