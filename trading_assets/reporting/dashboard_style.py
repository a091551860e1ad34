"""The look of the dashboard, for a desk and for a phone."""

STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#eef1f5;color:#1b2433;font:15px/1.45 system-ui,-apple-system,"Segoe UI",
Roboto,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1000px;margin:0 auto;padding:16px}
nav{max-width:1000px;margin:0 auto;padding:12px 16px 0;display:flex;flex-wrap:wrap;gap:8px}
nav a{background:#fff;border:1px solid #c9d0d9;border-radius:6px;padding:10px 14px;color:#16324f;
text-decoration:none}
header{background:#16324f;color:#fff;border-radius:8px;padding:16px 20px}
header h1{margin:0;font-size:22px}
header p{margin:4px 0 0;color:#c4d2e3}
.portfolio{margin-bottom:40px}
.panel{background:#fff;border-radius:8px;padding:14px 20px 16px;margin-top:14px}
.panel h2{margin:0 0 8px;font-size:15px;color:#16324f}
.columns{display:grid;grid-template-columns:1fr 1fr;gap:14px}
.cards{display:grid;grid-template-columns:repeat(6,1fr);gap:10px;margin:14px 0 0}
.cards div{background:#fff;border-left:3px solid #0072b2;border-radius:4px;padding:10px 12px}
.cards dt{color:#5c6675;font-size:12px}
.cards dd{margin:2px 0 0;font-size:18px;font-weight:600;color:#16324f;white-space:nowrap}
.pairs{margin:0}
.pairs div{display:flex;justify-content:space-between;gap:16px;padding:5px 0;
border-bottom:1px solid #eef1f5}
.pairs dt{color:#5c6675;flex:none}
.pairs dd{margin:0;text-align:right;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse;font-size:14px}
th{text-align:left;font-size:12px;color:#16324f;border-bottom:1px solid #16324f;
padding:5px 8px 5px 0}
td{padding:6px 8px 6px 0;border-bottom:1px solid #eef1f5;vertical-align:top;overflow-wrap:anywhere}
.n{text-align:right;white-space:nowrap}
.n+:not(.n){padding-left:18px}
img{display:block;width:100%;height:auto}
img.narrow{display:none}
p{margin:8px 0}
.nothing{color:#5c6675;font-style:italic}
.alert{background:#a63c00;color:#fff;border-radius:6px;padding:12px 16px;font-weight:600}
.bad{color:#a63c00;font-weight:600}
details{border-top:1px solid #eef1f5;padding:4px 0}
summary{cursor:pointer;padding:8px 0;font-weight:600}
@media (max-width:700px){
main{padding:8px}
header,.panel{padding:12px 14px}
.columns{grid-template-columns:1fr;gap:0}
.cards{grid-template-columns:1fr 1fr}
.cards div:first-child{grid-column:1/-1}
.wide{display:none}
img.wide{display:none}
img.narrow{display:block}
}
"""
