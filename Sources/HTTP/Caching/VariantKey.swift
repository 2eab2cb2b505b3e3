// The part of a key that tells the variants of one response apart (RFC 9111 §4.1).

/// Selecting keys: equal for two requests exactly if the fields that Vary names are the same in
/// both, after normalisation. A field that is absent differs from an empty one.
package enum VariantKey {
  /// - Parameters:
  ///   - names: of Vary: lower case, sorted, each once (`StoragePlan.varyNames`).
  package static func make(
    names: [[UInt8]], _ head: borrowing RequestHead, in bytes: RawSpan
  ) -> [UInt8] {
    make(names: names, lines: lines(names: names, head, in: bytes))
  }

  /// The values of the field lines of each name.
  package static func lines(
    names: [[UInt8]], _ head: borrowing RequestHead, in bytes: RawSpan
  ) -> [[[UInt8]]] {
    var lines = [[[UInt8]]](repeating: [], count: names.count)
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      let name = line.name.span(in: bytes)
      for (index, wanted) in names.enumerated()
      where FieldName.equal(name, wanted.rawSpan) {
        lines[index].append(line.value.copy(from: bytes))
      }
    }
    return lines
  }

  /// The same from the values of the field lines of each name.
  package static func make(names: [[UInt8]], lines: [[[UInt8]]]) -> [UInt8] {
    var key: [UInt8] = []
    for (name, values) in zip(names, lines) {
      key += name
      guard !values.isEmpty else {
        key.append(0)
        continue
      }
      let value = normalized(values, of: name)
      // Neither a name nor a count can be taken for something else: counted, not delimited.
      key.append(1)
      for shift in [24, 16, 8, 0] { key.append(UInt8(truncatingIfNeeded: value.count >> shift)) }
      key += value
    }
    return key
  }

  /// The values that a key holds, in the order of the names; nil where the request had no such
  /// field. nil as a whole: it is no key of these names.
  package static func values(in key: [UInt8], names: [[UInt8]]) -> [[UInt8]?]? {
    var values: [[UInt8]?] = []
    var rest = key[...]
    for name in names {
      guard rest.starts(with: name) else { return nil }
      rest = rest.dropFirst(name.count)
      switch rest.popFirst() {
      case 0: values.append(nil)
      case 1:
        guard rest.count >= 4 else { return nil }
        let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(4)
        guard rest.count >= count else { return nil }
        values.append(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
      default: return nil
      }
    }
    return rest.isEmpty ? values : nil
  }

  /// One value for all spellings that mean the same.
  static func normalized(_ lines: [[UInt8]], of name: [UInt8]) -> [UInt8] {
    if Scan.equal(name.rawSpan, "accept-encoding") {
      // Which of equally welcome codings is sent is the server's choice.
      return weighted(lines) { one, other in
        one.weight != other.weight
          ? one.weight > other.weight : one.text.lexicographicallyPrecedes(other.text)
      }
    }
    if Scan.equal(name.rawSpan, "accept-language") {
      // Among equally welcome languages the order may count (RFC 9110 §12.5.4).
      return weighted(lines) { one, other in
        one.weight != other.weight ? one.weight > other.weight : one.place < other.place
      }
    }
    return collapsed(Array(lines.joined(separator: [ASCII.comma, ASCII.space])))
  }

  // MARK: Weights

  private struct Element {
    var text: [UInt8]
    /// In thousandths.
    var weight: Int
    var place: Int
  }

  /// `a, b;q=0.5`: lower case, no blanks but one behind each comma, weights in their shortest form.
  private static func weighted(
    _ lines: [[UInt8]], order: (Element, Element) -> Bool
  ) -> [UInt8] {
    var elements: [Element] = []
    for line in lines {
      var list = TokenList(line.rawSpan)
      while let range = list.next() {
        elements.append(element(line[range], place: elements.count))
      }
    }
    elements.sort(by: order)
    var value: [UInt8] = []
    var last: (text: [UInt8], weight: Int)?
    for element in elements where last?.text != element.text || last?.weight != element.weight {
      if !value.isEmpty { value += [ASCII.comma, ASCII.space] }
      value += element.text
      if element.weight < 1000 { appendWeight(element.weight, to: &value) }
      last = (element.text, element.weight)
    }
    return value
  }

  /// An element that names nothing, or whose weight is malformed, stays as it is.
  private static func element(_ bytes: ArraySlice<UInt8>, place: Int) -> Element {
    let whole = bytes.map(ASCII.lowercase)
    guard let semicolon = whole.firstIndex(of: UInt8(ascii: ";")), semicolon > 0,
      let weight = AcceptEncoding.weight(whole.rawSpan, from: semicolon)
    else { return Element(text: whole, weight: 1000, place: place) }
    return Element(
      text: Array(whole[..<semicolon].trimmingBlanks()), weight: weight, place: place)
  }

  private static func appendWeight(_ weight: Int, to value: inout [UInt8]) {
    value += [UInt8](";q=0".utf8)
    guard weight > 0 else { return }
    value.append(ASCII.dot)
    var rest = weight
    var scale = 100
    while rest > 0 {
      value.append(0x30 + UInt8(rest / scale))
      rest %= scale
      scale /= 10
    }
  }

  /// Without blanks at the ends, and one space for each run of them outside of quotes.
  private static func collapsed(_ line: [UInt8]) -> [UInt8] {
    var value: [UInt8] = []
    var isQuoted = false
    var isEscaped = false
    var isBlankPending = false
    for byte in line {
      if !isQuoted && ASCII.isBlank(byte) {
        isBlankPending = !value.isEmpty
        continue
      }
      if isBlankPending { value.append(ASCII.space) }
      isBlankPending = false
      value.append(byte)
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\"") {
        isQuoted.toggle()
      } else {
        isEscaped = isQuoted && byte == UInt8(ascii: "\\")
      }
    }
    return value
  }
}
