// The page shown when there is nothing better: small, readable, without scripts or outside parts.

package enum ErrorPage {
  /// Content-Type of the page.
  package static let contentType: StaticString = "text/html; charset=utf-8"

  /// A whole HTML document for a status.
  ///
  /// - Parameters:
  ///   - code: the status code.
  ///   - given: a sentence for people, in the place of the status's own.
  ///   - detail: one more line that says why; escaped here.
  ///   - location: of a redirect, shown as a link; escaped here.
  ///   - signature: the last line (ServerSignature), or nil; escaped here.
  package static func body(
    status code: Int, explanation given: StaticString? = nil, detail: String? = nil,
    location: [UInt8]? = nil, signature: [UInt8]? = nil
  ) -> [UInt8] {
    var page: [UInt8] = []
    page.reserveCapacity(1024)
    let reason = Status.reason(code)
    page += "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n".utf8
    page += "<meta name=\"viewport\" content=\"width=device-width\">\n<title>".utf8
    DecimalNumber.append(UInt64(max(code, 0)), to: &page)
    page.append(ASCII.space)
    ResponseHead.append(literal: reason, to: &page)
    page += "</title>\n<style>\n".utf8
    ResponseHead.append(literal: style, to: &page)
    page += "</style>\n<main>\n<p class=\"code\">".utf8
    DecimalNumber.append(UInt64(max(code, 0)), to: &page)
    page += "</p>\n<h1>".utf8
    ResponseHead.append(literal: reason, to: &page)
    page += "</h1>\n".utf8
    let explanation = given ?? Status.explanation(code)
    if explanation.utf8CodeUnitCount > 0 {
      page += "<p>".utf8
      ResponseHead.append(literal: explanation, to: &page)
      page += "</p>\n".utf8
    }
    if let detail {
      page += "<p>".utf8
      HTMLEscape.append(Array(detail.utf8).rawSpan, to: &page)
      page += "</p>\n".utf8
    }
    if let location {
      page += "<p><a href=\"".utf8
      HTMLEscape.append(location.rawSpan, to: &page)
      page += "\">".utf8
      HTMLEscape.append(location.rawSpan, to: &page)
      page += "</a></p>\n".utf8
    }
    page += "</main>\n".utf8
    if let signature {
      page += "<footer>".utf8
      HTMLEscape.append(signature.rawSpan, to: &page)
      page += "</footer>\n".utf8
    }
    page += "</html>\n".utf8
    return page
  }

  private static let style: StaticString = """
    :root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }
    body { margin: 0 auto; max-width: 34rem; padding: 18vh 1.5rem 2rem }
    .code { font-size: 3.5rem; font-weight: 200; line-height: 1; margin: 0; opacity: .55 }
    h1 { font-size: 1.6rem; font-weight: 600; margin: .4rem 0 }
    footer { border-top: 1px solid #8884; font-size: .8rem; margin-top: 3rem; opacity: .6;
      padding-top: .5rem }

    """
}
