use super::*;

fn xml(svg: &str) -> roxmltree::Document<'_> {
    roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error} in {svg}"))
}

/// One of everything, with every trap that text and numbers can set.
fn everything() -> Figure {
    let span = |x: f64, y: f64| Span { x, low: y * 0.9, y, high: y * 1.1 };
    let mut figure = Figure::new("all", "Rate & <limit>", Axis::time("time \"since\" start"));
    figure.description = "Every kind of series".to_owned();
    figure.panels = vec![
        Panel::new(
            Axis::from_zero("tiles/s"),
            vec![
                Series::line("offered", (0..50).map(|i| (f64::from(i), f64::from(i % 7) * 10.0)).collect::<Vec<_>>()),
                Series::step("limit", [(0.0, 20.0), (20.0, 5.0), (30.0, f64::NAN), (40.0, 40.0)]).dashed(),
                Series::area("spread", [span(0.0, 30.0), span(25.0, 60.0), span(49.0, 20.0)]),
            ],
        ),
        Panel {
            height: 80,
            ..Panel::new(
                Axis::log("ms"),
                vec![
                    Series::points("p99", [span(10.0, 3.0), span(30.0, 200.0), span(40.0, 0.0)]).color(3),
                    Series::bars("count", [Bar { from: 5.0, to: 9.0, y: 40.0 }]),
                ],
            )
        },
    ];
    figure.bands = vec![
        Band { from: 10.0, to: 20.0, label: "open".to_owned(), tone: Tone::Bad },
        Band { from: 20.0, to: 22.0, label: "half-open".to_owned(), tone: Tone::Warn },
        Band { from: 35.0, to: 90.0, label: "open".to_owned(), tone: Tone::Bad },
    ];
    figure.marks = vec![
        Mark { x: 10.0, label: "outage begins".to_owned() },
        Mark { x: 12.0, label: "first 503".to_owned() },
        Mark { x: 400.0, label: "out of sight".to_owned() },
    ];
    figure
}

#[test]
fn a_band_of_a_panel_is_shaded_there_alone_and_named_once() {
    let mut figure = everything();
    figure.bands.clear();
    figure.panels[1].bands =
        [1.0, 20.0].map(|from| Band { from, to: from + 9.0, label: "outage".to_owned(), tone: Tone::Bad }).to_vec();
    let svg = figure.to_svg();
    assert_eq!(svg.matches("class=\"tg-band\"").count(), 2 + 1, "two stretches and the legend");
    assert_eq!(svg.matches(">outage<").count(), 1);
}

#[test]
fn a_picture_is_well_formed_and_says_what_it_is() {
    let svg = everything().to_svg();
    let document = xml(&svg);
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    assert_eq!(root.attribute("aria-labelledby"), Some("all-title all-desc"));
    let text_of = |id: &str| document.descendants().find(|n| n.attribute("id") == Some(id)).and_then(|n| n.text());
    assert_eq!(text_of("all-title"), Some("Rate & <limit>"));
    assert_eq!(text_of("all-desc"), Some("Every kind of series"));
    let drawn: Vec<&str> = document.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text()).collect();
    for text in ["Rate & <limit>", "time \"since\" start", "offered", "limit", "spread", "p99", "count", "first 503"] {
        assert!(drawn.contains(&text), "{text} is not in {drawn:?}");
    }
    assert_eq!(drawn.iter().filter(|&&text| text == "open").count(), 1, "a band's name stands in the legend once");
    assert!(!drawn.contains(&"out of sight"));
}

#[test]
fn the_same_figure_gives_the_same_bytes_as_yesterday() {
    let golden = include_str!("golden.svg");
    let drawn = everything().to_svg() + "\n";
    assert!(
        drawn == golden,
        "the picture changed; look at the new one in a browser and, if it is better, save it as plot/golden.svg:\n{drawn}"
    );
}

#[test]
fn no_number_in_a_picture_is_broken() {
    let mut figure = everything();
    let wild = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 0.0, -0.0, f64::MIN_POSITIVE, 1e99];
    let points: Vec<(f64, f64)> = wild.iter().flat_map(|&x| wild.map(|y| (x, y))).collect();
    let spans: Vec<Span> = points.iter().map(|&(x, y)| Span { x, low: -y, y, high: y }).collect();
    for scale in [Scale::Linear, Scale::FromZero, Scale::Log, Scale::Time] {
        figure.x.scale = scale;
        figure.panels[0].y.scale = scale;
        figure.panels[0].series = vec![
            Series::line("a", points.clone()),
            Series::step("b", points.clone()),
            Series::area("c", spans.clone()),
            Series::points("d", spans.clone()),
            Series::bars("e", points.iter().map(|&(x, y)| Bar { from: x, to: y, y }).collect::<Vec<_>>()),
        ];
        figure.bands.push(Band { from: f64::NAN, to: 1e300, label: String::new(), tone: Tone::Info });
        figure.marks.push(Mark { x: f64::NAN, label: "never".to_owned() });
        let svg = figure.to_svg();
        let document = xml(&svg);
        for node in document.descendants() {
            for name in ["x", "y", "x1", "x2", "y1", "y2", "width", "height", "d", "viewBox"] {
                let value = node.attribute(name).unwrap_or_default();
                assert!(!value.contains("NaN") && !value.contains("inf") && !value.contains('e'), "{name}={value}");
                let far = |n: &str| n.parse::<f64>().is_ok_and(|n| n.abs() > 10_000.0);
                assert!(!value.split(|c: char| c.is_ascii_alphabetic() || c == ' ').any(far), "{name}={value}");
            }
        }
    }
}

#[test]
fn a_figure_without_data_says_so() {
    let mut figure = Figure::new("none", "Nothing yet", Axis::linear("time"));
    assert!(xml(&figure.to_svg()).descendants().any(|n| n.text() == Some("Nothing yet")));
    figure.panels.push(Panel::new(Axis::linear("rate"), vec![Series::line("", [])]));
    assert!(figure.to_svg().contains("no data"));
}

#[test]
fn its_size_is_bounded_by_its_width() {
    let size = |count: u32| {
        let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 8);
        let points: Vec<(f64, f64)> = (0..count).map(|i| (f64::from(i), noise(i))).collect();
        let mut figure = Figure::new("big", "Noise", Axis::time("time"));
        figure.width = 960;
        figure.panels.push(Panel::new(Axis::linear("noise"), vec![Series::step("noise", points)]));
        figure.to_svg().len()
    };
    assert!(size(200_000) < 80_000, "{}", size(200_000));
}

#[test]
fn inside_a_page_the_style_is_left_to_the_page() {
    assert!(!everything().to_inline_svg().contains("<style>"));
    assert!(everything().to_svg().contains("prefers-color-scheme:dark"));
}

#[test]
fn a_step_holds_until_the_gap_begins() {
    let mut figure = Figure::new("steps", "Steps", Axis::linear("x"));
    let points = [(0.0, 1.0), (4.0, 2.0), (6.0, f64::NAN), (10.0, 1.0)];
    figure.panels.push(Panel::new(Axis::from_zero("y"), vec![Series::step("", points)]));
    let svg = figure.to_svg();
    let document = xml(&svg);
    let path = document.descendants().find(|n| n.attribute("class") == Some("tg-line")).unwrap();
    let d = path.attribute("d").unwrap();
    // Move to the first, along to the second and up, along to where the gap begins; then the last alone.
    let commands: String = d.chars().filter(char::is_ascii_alphabetic).collect();
    assert_eq!(commands, "MHVHM", "{d}");
}
