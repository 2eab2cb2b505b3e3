// `ProxyPassReverse` and its neighbours: what an application says about itself, put right.

@testable import HTTP
import Testing

private func cookie(
  _ value: String, _ attribute: ReverseRewrite.CookieAttribute, _ from: String, _ to: String
) -> String? {
  var output = bytes(">")
  let fits = ReverseRewrite.appendCookie(
    bytes(value).rawSpan, attribute, from: bytes(from), to: bytes(to), into: &output)
  #expect(fits || output == bytes(">"))
  return fits ? text(Array(output.dropFirst())) : nil
}

@Suite struct `addresses of an application` {
  @Test(arguments: [
    ("http://app:8080/a/b?c", "http://app:8080/", "/shop/", "/shop/a/b?c"),
    ("http://app:8080/", "http://app:8080/", "/", "/"),
    ("HTTP://App:8080/A", "http://app:8080/", "/shop/", "/shop/A"),
    ("http://app:8080/a", "http://app:8080", "/shop", "/shop/a"),
    ("http://app:8080", "http://app:8080", "/shop", "/shop"),
    ("http://app:8080", "http://app:8080", "", "/"),
    ("http://app:8080?a", "http://app:8080", "/shop", "/shop?a"),
    ("http://app:8080#a", "http://app:8080", "/shop", "/shop#a"),
    ("http://app:8080/a", "http://app:8080", "/shop/", "/shop/a"),
    ("http://app/a/b", "http://app/a/", "https://example.com/", "https://example.com/b"),
    ("/internal/x", "/internal/", "/", "/x"), ("/internal", "/internal", "/a", "/a"),
    ("http://app//evil.example/", "http://app/", "/", "/.//evil.example/"),
    ("http://app/\\evil.example/", "http://app/", "/", "/./\\evil.example/"),
    ("http://app:80801/a", "http://app:8080", "/shop", nil),
    ("http://app.evil/", "http://app", "/shop", nil),
    ("http://app/application", "http://app/app", "/shop", nil),
    ("http://app/APP/x", "http://app/app/", "/shop/", nil),
    ("https://app/app/x", "http://app/app/", "/shop/", nil),
    ("http://app/ap", "http://app/app/", "/shop/", nil),
    ("http://app/app", "http://app/app/", "/shop/", nil),
    ("", "http://app/", "/", nil), ("/x", "", "/", nil), ("x:/", "x:/", "/", "/"),
  ])
  func `a redirect to the application becomes one to this server`(
    value: String, from: String, to: String, expected: String?
  ) {
    var output = bytes(">")
    let fits = ReverseRewrite.appendLocation(
      bytes(value).rawSpan, from: bytes(from), to: bytes(to), into: &output)
    #expect(fits == (expected != nil))
    #expect(text(Array(output.dropFirst())) == expected ?? "")
  }

  @Test(arguments: [
    ("a=b; Path=/app/x; Secure", "/app", "/shop", "a=b; Path=/shop; Secure"),
    ("a=b;path=/", "/", "/shop/", "a=b;path=/shop/"),
    ("a=b; PATH = /app ;Domain=x", "/app", "/shop", "a=b; PATH =/shop;Domain=x"),
    ("a=b; path=/x; path=/app", "/app", "/s", "a=b; path=/x; path=/s"),
    ("a=b; path=/app; path=/app", "/app", "/s", "a=b; path=/s; path=/s"),
    ("path=/app", "/app", "/shop", nil), ("a=path=/app", "/app", "/shop", nil),
    ("a=b; xpath=/app", "/app", "/shop", nil), ("a=b; path", "/app", "/shop", nil),
    ("a=b; path=/APP", "/app", "/shop", nil), ("a=b; domain=/app", "/app", "/shop", nil),
    ("", "/", "/shop", nil), (";;path=/;", "/", "/s", ";;path=/s;"),
  ])
  func `the path of a cookie becomes the one the client sees`(
    value: String, from: String, to: String, expected: String?
  ) {
    #expect(cookie(value, .path, from, to) == expected)
  }

  @Test(arguments: [
    ("a=b; Domain=app.local", "app.local", "example.com", "a=b; Domain=example.com"),
    ("a=b; domain=.APP.local", "app.local", "example.com", "a=b; domain=example.com"),
    ("a=b; domain=app.local", ".app.local", ".example.com", "a=b; domain=.example.com"),
    ("a=b; domain=app.local.evil", "app.local", "example.com", nil),
    ("a=b; domain=xapp.local", "app.local", "example.com", nil),
    ("a=b; path=app.local", "app.local", "example.com", nil),
  ])
  func `the domain of a cookie becomes the one the client sees`(
    value: String, from: String, to: String, expected: String?
  ) {
    #expect(cookie(value, .domain, from, to) == expected)
  }
}
