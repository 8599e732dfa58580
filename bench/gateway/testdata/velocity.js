// Renders mapping templates with an independent implementation of VTL. What API
// Gateway puts into a template ($input, $util, $context) is written here anew, from
// its reference, and shares nothing with the gateway under test:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
const { render } = require(process.argv[2]);

// The texts of templates are Java's: replaceAll takes a regular expression.
String.prototype.replaceAll = function (pattern, by) { return this.replace(new RegExp(pattern, "g"), by.replace(/\\(.)/g, "$1")); };

// escapeJavaScript is that of Apache Commons: everything beyond ASCII as \uXXXX.
function escapeJavaScript(s) {
  const named = { "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "'": "\\'", '"': '\\"', "\\": "\\\\", "/": "\\/" };
  let out = "";
  for (let i = 0; i < s.length; i++) { // UTF-16 units, as in Java
    const c = s[i], n = s.charCodeAt(i);
    out += named[c] ?? (n < 0x20 || n > 0x7e ? "\\u" + n.toString(16).toUpperCase().padStart(4, "0") : c);
  }
  return out;
}

const at = (value, path) => path.replace(/^\$\.?/, "").split(".").filter(Boolean).reduce((v, k) => v?.[k], value);

const out = [];
for (const { template, body } of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  let parsed;
  try { parsed = JSON.parse(body); } catch { parsed = undefined; }
  const override = {};
  const context = { requestId: "request-1", httpMethod: "POST", resourcePath: "/items", responseOverride: override };
  const rendered = render(template, {
    context, stageVariables: { itemsTable: "items" },
    input: {
      body,
      path: (p) => at(parsed, p),
      json: (p) => { const v = at(parsed, p); return v === undefined ? '""' : JSON.stringify(v); },
    },
    util: { escapeJavaScript: (s) => escapeJavaScript(String(s ?? "")), base64Encode: (s) => Buffer.from(String(s), "utf8").toString("base64") },
  });
  out.push({ rendered: String(rendered), status: context.responseOverride.status ?? 0 });
}
console.log(JSON.stringify(out));
