// SPDX-License-Identifier: Apache-2.0
// How a page looks, in light and dark and on paper.  page.cc only.
#pragma once

namespace airlock::audit::page {

inline constexpr char kStyle[] = R"css(
:root{--bg:#f6f7f9;--card:#fff;--ink:#1a1f29;--soft:#5c6675;--line:#dfe3ea;--accent:#2b59c3;
--good:#1b7f4b;--goodbg:#e2f4ea;--warn:#8a5a00;--warnbg:#fdf0d5;--bad:#b3261e;--badbg:#fbe4e2}
@media(prefers-color-scheme:dark){:root{--bg:#12151b;--card:#1b2028;--ink:#e6e9ef;--soft:#9aa4b2;
--line:#2d3440;--accent:#8ab0ff;--good:#6fd69f;--goodbg:#173526;--warn:#f0c060;--warnbg:#3a2f14;
--bad:#ff8f86;--badbg:#42201e}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:76rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:0}
h2{font-size:1.15rem;margin:2.4rem 0 .6rem}
p{margin:.3rem 0}
.soft{color:var(--soft)}
code{font:12.5px/1.45 ui-monospace,"DejaVu Sans Mono",Menlo,monospace;overflow-wrap:anywhere}
code.id{white-space:nowrap}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.8rem;margin:1.5rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem}
.card b{display:block;font-size:1.7rem;line-height:1.2;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.5rem .8rem;border-bottom:1px solid var(--line)}
th{font-size:.78rem;letter-spacing:.03em;color:var(--soft);font-weight:600;white-space:nowrap}
tr:last-child td{border-bottom:0}
td.time{white-space:nowrap}
.tag{display:inline-block;border-radius:999px;padding:0 .55rem;font-size:.82rem;white-space:nowrap}
.good{color:var(--good);background:var(--goodbg)}
.warn{color:var(--warn);background:var(--warnbg)}
.bad{color:var(--bad);background:var(--badbg)}
ul{margin:0;padding-left:1.1rem}
td ul{padding-left:0;list-style:none}
svg{display:block;width:100%;height:56px;background:var(--card);border:1px solid var(--line);border-radius:10px}
svg .t-good{stroke:var(--good)}svg .t-warn{stroke:var(--warn)}svg .t-bad{stroke:var(--bad)}
svg line{stroke-width:2;vector-effect:non-scaling-stroke}
footer{margin-top:3rem;color:var(--soft);font-size:.88rem}
@media print{body{background:#fff}.scroll,.card{break-inside:avoid}}
)css";

}  // namespace airlock::audit::page
