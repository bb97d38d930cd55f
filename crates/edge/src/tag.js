// Tells Gavel of a page visit:
//   <script async src="https://track.example/t.js" data-campaign="auto-us"></script>
// A visit names the page, the page before, utm and ad click parameters, and the click that led here.
// A random id in a first-party cookie of the page's site tells one visitor from another.
(function () {
  "use strict";
  var script = document.currentScript;
  if (!script || !script.src) return;
  // A sandboxed page has no cookies, and is none of a campaign's sites.
  if (self.origin === "null") return;
  var endpoint = new URL("/v1/beacon", script.src).href;
  var year = 31536000;

  // As they are: other scripts' cookies need not be percent-encoded well, and ours have nothing to encode.
  function cookie(name) {
    var found = document.cookie.match(new RegExp("(?:^|; )" + name + "=([^;]*)"));
    return found ? found[1] : "";
  }
  function keep(name, value, seconds) {
    var secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = name + "=" + value + "; Max-Age=" + seconds + "; Path=/; SameSite=Lax" + secure;
  }
  function random() {
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, function (b) { return (b + 256).toString(16).slice(1); }).join("");
  }

  var query = new URLSearchParams(location.search);
  var visit = { type: "visit", page: location.href, referrer: document.referrer };
  if (script.dataset.campaign) visit.campaign = script.dataset.campaign;

  var visitor = cookie("_gv_id") || random();
  keep("_gv_id", visitor, year);
  visit.visitor = visitor;

  var click = "";
  query.forEach(function (value) { if (/^ck_[\w-]{32}$/.test(value)) click = value; });
  if (click) keep("_gv_click", click, 90 * 86400);
  click = click || cookie("_gv_click");
  if (click) visit.click_id = click;

  var utm = {};
  ["source", "medium", "campaign", "term", "content", "id"].forEach(function (name) {
    var value = query.get("utm_" + name);
    if (value) utm[name] = value;
  });
  visit.utm = utm;
  ["gclid", "gbraid", "wbraid", "fbclid", "ttclid", "msclkid"].forEach(function (name) {
    var value = query.get(name);
    if (value) visit[name] = value;
  });
  [["fbc", "_fbc"], ["fbp", "_fbp"]].forEach(function (pair) {
    var value = cookie(pair[1]);
    if (value) visit[pair[0]] = value;
  });

  var body = JSON.stringify([visit]);
  // Either outlives the page. A fetch names the page's origin even where the page sends no referrers.
  if ("fetch" in window && "keepalive" in Request.prototype) {
    fetch(endpoint, { method: "POST", body: body, credentials: "include", keepalive: true })
      .catch(function () {});
  } else if (navigator.sendBeacon) {
    navigator.sendBeacon(endpoint, body);
  }
})();
