// Fuzz target for the configuration parser: any bytes give a tree and located diagnostics, and
// never a crash.
//
// Build and run, from the top of the package (a package is named after its directory):
//
//     swift build -c release --target Configuration --scratch-path .build/fuzz \
//       -Xswiftc -sanitize=fuzzer -Xswiftc -parse-as-library
//     built=.build/fuzz/release
//     swiftc -O -sanitize=fuzzer -parse-as-library \
//       -package-name "$(basename "$PWD" | tr A-Z a-z)" -I $built/Modules \
//       -Xcc -fmodule-map-file=$built/CLinux.build/module.modulemap \
//       -Xcc -fmodule-map-file=Sources/CPCRE2/module.modulemap \
//       tools/fuzz/ConfigurationFuzz.swift \
//       $built/{CLinux,Platform,HTTP,Configuration}.build/*.o -lpcre2-8 \
//       -o .build/fuzz/ConfigurationFuzz
//     mkdir -p .build/fuzz/found
//     .build/fuzz/ConfigurationFuzz -max_total_time=20 .build/fuzz/found \
//       tools/fuzz/corpus/configuration

import Configuration

/// The input is the main file; it may include itself, a second file, and a directory.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  let files: [String: [UInt8]] = [
    "/etc/ring3.conf": bytes,
    "/etc/other.conf": Array("ServerAdmin ${X}\nInclude other2.conf\n".utf8),
    "/etc/other2.conf": Array("Listen 80\n<IfModule core.c>\nKeepAlive on\n</IfModule>\n".utf8),
    "/etc/sites/a.conf": Array("Define A b\n".utf8),
    "/etc/sites/b.conf": bytes,
  ]
  let reader = ConfigurationReader.memory(files, environment: ["HOME": "/root"])
  let result = ConfigurationParser.parse(
    file: "/etc/ring3.conf", reader: reader, defines: ["TESTING": nil])
  for diagnostic in result.diagnostics {
    precondition(!diagnostic.message.isEmpty)
    precondition(!diagnostic.rendered.isEmpty)
    guard let place = diagnostic.place else { continue }
    check(place, diagnostic, files)
  }
  for directive in result.directives { check(directive, files) }
  return 0
}

/// A place must be inside its file, and the line shown must be the line there.
private func check(_ place: SourcePlace, _ diagnostic: Diagnostic, _ files: [String: [UInt8]]) {
  guard let bytes = files[place.file] else { fatalError("a place in no file") }
  let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
  precondition(place.line >= 1 && place.line <= lines.count, "a line outside its file")
  let line = lines[place.line - 1]
  precondition(place.column >= 1 && place.column <= max(1, line.count), "a column outside its line")
  precondition(
    diagnostic.length >= 1 && place.column - 1 + diagnostic.length <= max(1, line.count),
    "a mark longer than its line")
}

private func check(_ directive: Directive, _ files: [String: [UInt8]]) {
  precondition(directive.row.arity.contains(directive.arguments.count))
  precondition(files[directive.name.place.file] != nil)
  for child in directive.children { check(child, files) }
}
