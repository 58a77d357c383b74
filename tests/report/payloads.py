"""Text that tries to be more than text: markup, scripts, templates, formulas, terminal escapes, marks that hide."""

TAGS = ("script", "img", "svg", "iframe", "object", "embed", "style", "link", "meta", "base", "form", "input", "math",
        "video", "audio", "details", "body", "html", "template", "noscript", "textarea", "title", "td")  # fmt: skip
HANDLERS = ("onerror", "onload", "onclick", "onfocus", "onmouseover", "ontoggle", "onpointerenter", "onanimationstart")
BREAKS = ("x", '"', "'", '">', "'>", "</title>", "</script>", "-->", "]]>", "</style>", "</pre>", "</svg>")

MARKUP = (
    *(f"<{tag}>alert(1)</{tag}>" for tag in TAGS),
    *(f"<img src=x {handler}=alert(1)>" for handler in HANDLERS),
    *(f'" {handler}="alert(1)' for handler in HANDLERS),
    *(f"' {handler}='alert(1)" for handler in HANDLERS),
    *(f"{start}<script>alert(1)</script>" for start in BREAKS),
    *(f"{start}<svg/onload=alert(1)>" for start in BREAKS),
    "<!--", "--!><img src=x>", "<!--<script>", "<![CDATA[<x>]]>", "<!DOCTYPE html>", "<?xml version='1.0'?>", "<", ">",
    "&lt;script&gt;", "&#60;script&#62;", "&", "&amp;&lt;", "<scr<script>ipt>", "<SCRIPT>alert(1)</SCRIPT>",
    "<a href='javascript:alert(1)'>x</a>", "javascript:alert(1)", "data:text/html,<script>alert(1)</script>",
    "<svg><foreignObject><body onload=alert(1)>", "<svg><use href='data:image/svg+xml,x'/>", "<x style='a:b'>",
    "url(https://example.org/x)", "@import 'https://example.org/x'", "\\u003cscript\\u003e", "\\x3cscript\\x3e",
    "</script><script>alert(1)//", "</SCRIPT\t>", "</script\n>", "<script>/*", "*/alert(1)//", "`${alert(1)}`",
)  # fmt: skip

TEMPLATES = (
    "{{7*7}}", "{{ config }}", "{% raw %}", "{% include '/etc/passwd' %}", "{# note #}", "${7*7}", "#{7*7}",
    "<%= 7*7 %>", "{{''.__class__.__mro__}}", "{%", "}}", "%s %d %(x)s", "{0.__class__}", "{name}", "$\\frac{",
    "$x^2$", "$$", "\\frac", "$\\undefined{x}$", "\\$", "_{", "^{}", "{}", "%", "\\", "\\n",
)  # fmt: skip

FORMULAS = (
    "=1+1", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", "\n=1+1",
    '=HYPERLINK("x")', "=1,2", '=1"2', "＝1+1", "＋1", "－1", "＠A1", "\u200b=1",
    "\x00=1", "=\x00", "%0A=1", "-", "=", "+",
    "@", "'=1",
)  # fmt: skip

HIDDEN = (
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\x07", "\x08\x08\x08", "\x00", "a\x00b", "\x7f",
    "\r\n", "line\nline", "\u202eevil", "\u202a\u202b", "\u2066\u2067\u2069", "\u200b", "\ufeff", "\u2028", "\u2029",
    "\ud800", "\udfff", "\ufffe", "\U000e0001", "\u00ad", "é\u0301\u0301\u0301", "中文", "🙂", "👩\u200d🔬", "עברית",
    "x" * 3000, " ",
)  # fmt: skip

PAYLOADS = (*MARKUP, *TEMPLATES, *FORMULAS, *HIDDEN)
