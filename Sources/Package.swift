// swift-tools-version: 6.2
// The library for applications as a package of its own, for those who have this tree at hand:
//   .package(name: "Ring3App", path: "…/Sources")
import PackageDescription

let package = Package(
  name: "Ring3App",
  products: [.library(name: "Ring3App", targets: ["Ring3App"])],
  targets: [
    .target(name: "CLinux", path: "CLinux"),
    .target(name: "Ring3App", dependencies: ["CLinux"], path: "Ring3App"),
  ],
  swiftLanguageModes: [.v6]
)
