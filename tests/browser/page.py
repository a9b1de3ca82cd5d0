"""The pages of a sweep and of a benchmark in a real browser, in both themes, wide and narrow: what is drawn can be seen and read.

    page.py [DIRECTORY]     keeps the page and the pictures there, to be looked at
"""

import json
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "servers"))
from common import check, mock, tidegate  # noqa: E402

# Runs in a copy of the page and leaves what it found in an element of its own: the page itself has no script.
PROBE = r"""
<script>
addEventListener('load', () => {
  const rgb = colour => (colour.match(/[\d.]+/g) || []).map(Number);
  const light = colour => {
    const [r, g, b] = rgb(colour).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgb(colour)[3] !== 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const contrast = element => {
    const style = getComputedStyle(element);
    const ink = light(element.closest('svg') ? style.fill : style.color);
    const ground = light(behind(element));
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  };
  const texts = [...document.querySelectorAll('h1, h2, p, td, th, caption, figcaption, svg text')]
    .filter(element => element.textContent.trim());
  const faint = texts.filter(element => contrast(element) < 4.5);
  const plots = [...document.querySelectorAll('svg.tg-plot')];
  const size = element => { const box = element.getBoundingClientRect(); return [box.width, box.height]; };
  const outside = plots.flatMap(plot => {
    const frame = plot.getBoundingClientRect();
    return [...plot.querySelectorAll('text')].filter(text => {
      const box = text.getBoundingClientRect();
      return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    }).map(text => text.textContent);
  });
  const found = {
    dark: matchMedia('(prefers-color-scheme: dark)').matches,
    texts: texts.length,
    faint: faint.map(element => element.textContent.trim().slice(0, 40) + ' ' + contrast(element).toFixed(2)),
    plots: plots.map(plot => [plot.querySelector('title').textContent, ...size(plot)]),
    marks: document.querySelectorAll('svg.tg-plot path, svg.tg-plot circle, svg.tg-plot rect').length,
    outside,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    fetched: performance.getEntriesByType('resource').map(entry => entry.name),
  };
  const place = document.createElement('pre');
  place.id = 'found';
  place.textContent = JSON.stringify(found);
  document.body.append(place);
});
</script>
</body>"""

THEMES = {"light": 1, "dark": 0}
WIDTHS = {"wide": 1200, "narrow": 390}


def chromium(page, theme, width, *arguments):
    """Runs the browser on a file and returns what it prints; without any name to resolve there is no network."""
    with tempfile.TemporaryDirectory() as profile:
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--blink-settings=preferredColorScheme={THEMES[theme]}", f"--window-size={width},4200",
            *arguments, page.as_uri(),
        ]  # fmt: skip
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        check(ended.returncode == 0, f"chromium ended with {ended.returncode}: {ended.stderr[-2000:]}")
        return ended.stdout


def first_pixel(picture):
    """Red, green and blue in the upper left corner of a PNG: no filter changes a first pixel."""
    data = picture.read_bytes()
    check(data[:8] == b"\x89PNG\r\n\x1a\n", f"{picture} is no PNG")
    at, packed = 8, b""
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        if kind == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompress(packed)[1:4])


def look(directory, page, titles, texts_min, theme, name, width):
    probe = probe_of(page)
    dom = chromium(probe, theme, width, "--virtual-time-budget=5000", "--dump-dom")
    told = re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)
    check(told, "the probe did not run")
    found = json.loads(told[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    where = f"{page.stem}, {theme}, {name}"
    check(found["dark"] == (theme == "dark"), f"{where}: the browser took the other theme")
    check(found["texts"] > texts_min, f"{where}: only {found['texts']} pieces of text")
    check(not found["faint"], f"{where}: contrast below 4.5: {found['faint'][:5]}")
    drawn = [title for title, _, _ in found["plots"]]
    check(drawn == titles, f"{where}: {drawn}")
    check(all(w > 250 and h > 200 for _, w, h in found["plots"]), f"{where}: a plot is too small: {found['plots']}")
    check(found["marks"] > 50, f"{where}: only {found['marks']} marks are drawn")
    check(not found["outside"], f"{where}: text outside of its plot: {found['outside'][:5]}")
    check(found["overflow"] <= 0, f"{where}: the page is {found['overflow']} px wider than the window")
    check(not found["fetched"], f"{where}: the page fetched {found['fetched']}")
    picture = directory / f"{page.stem}-{theme}-{name}.png"
    chromium(page, theme, width, f"--screenshot={picture}")
    red, green, blue = first_pixel(picture)
    is_dark = red + green + blue < 3 * 128
    check(is_dark == (theme == "dark"), f"{where}: the corner is rgb({red}, {green}, {blue})")
    print(f"{where}: {found['texts']} texts, {found['marks']} marks, {picture.name} {picture.stat().st_size} bytes")


def probe_of(page):
    """A copy of the page that looks at itself."""
    open_page, policies = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    check(policies == 1, f"{policies} policies forbid scripts and requests on {page.name}")
    probe = page.with_suffix(".probe.html")
    probe.write_text(open_page.replace("</body>", PROBE))
    return probe


def sweep(directory):
    page = directory / "sweep.html"
    rules = ["--fault", "pool=4,service=5ms,queue=100", "--fault", "503=2%", "--retries", "6"]
    swept = tidegate(
        "sweep", *rules, "--levels", "1,2,4,10,20", "--repeats", "3", "--seed", "7",
        "--require", "p50<10s,max<1us", "--report", page,
    )  # fmt: skip
    check(swept.returncode == 99, f"the sweep ended with {swept.returncode}")
    html = page.read_text()
    check("Requirement max&lt;1us: missed" in html, "a requirement that does not hold is no warning on the page")
    check("status 503" in html, "the page does not say what went wrong")
    return page


def bench(directory):
    """Bursts of more than the server can do, an outage in between, and a breaker that opens."""
    page = directory / "bench.html"
    with mock("--fault", "pool=4,service=20ms,queue=1000", "--fault", "outage=3s..5s:reset") as server:
        ran = tidegate(
            "bench", "--url-template", server.template, "--rate", "300/s", "--duration", "9s", "--traffic", "burst",
            "--preset", "bulk", "--seed", "7", "--report", page,
        )  # fmt: skip
    check(ran.returncode in (0, 1), f"the benchmark ended with {ran.returncode}")
    check("breaker open" in page.read_text(), "the time line does not show the breaker")
    return page


def main(directory):
    swept, benched = sweep(directory), bench(directory)
    for theme in THEMES:
        for name, width in WIDTHS.items():
            look(directory, swept, ["Throughput", "Latency", "Latency distribution", "Over time"], 150, theme, name, width)
            look(directory, benched, ["Latency distribution", "Over time"], 80, theme, name, width)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        kept = Path(sys.argv[1]).resolve()
        kept.mkdir(parents=True, exist_ok=True)
        main(kept)
    else:
        with tempfile.TemporaryDirectory() as kept:
            main(Path(kept))
