//! One HTML file that needs nothing else.

use std::fmt::{self, Write as _};

use crate::plot::{Figure, STYLE, Text};

/// A page: a title, what it comes down to, and sections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Also the title of the window.
    pub title: String,
    /// What was looked at and when; small, below the title.
    pub subtitle: String,
    /// What it comes down to, in a sentence.
    pub lead: String,
    /// What must not be overlooked, each in a sentence.
    pub warnings: Vec<String>,
    /// In the order of reading.
    pub sections: Vec<Section>,
}

/// A heading and what stands below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// In the order of reading.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Pictures beside each other where the screen is wide enough, each with its description below.
    Figures(Vec<Figure>),
    /// A table; wider than the screen, it scrolls by itself.
    Table(Table),
}

/// A table whose first column names the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// From left to right.
    pub columns: Vec<Column>,
    /// Each as long as there are columns; what is missing is left empty.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of numbers, apart from its first column perhaps.
    pub fn of_numbers(caption: impl Into<String>, first: Column, others: &[&str], rows: Vec<Vec<String>>) -> Self {
        let columns = [first].into_iter().chain(others.iter().map(|&name| Column::number(name))).collect();
        Self { caption: caption.into(), columns, rows }
    }
}

/// A column of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Its heading, with the unit.
    pub name: String,
    /// Whether it holds numbers, which are set flush right.
    pub numeric: bool,
}

impl Column {
    /// A column of words.
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), numeric: false }
    }

    /// A column of numbers.
    pub fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), numeric: true }
    }
}

impl Page {
    /// The whole page as text; the same page gives the same bytes.
    #[must_use = "building a page writes nothing"]
    pub fn to_html(&self) -> String {
        let mut html = Html::default();
        let title = Text(&self.title);
        html.push(format_args!("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"));
        html.push(format_args!("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n"));
        // Nothing may be fetched, whatever found its way into a name or a label.
        html.push(format_args!(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\"/>\n"
        ));
        html.push(format_args!("<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n"));
        html.push(format_args!(
            "<style>\n{PAGE_STYLE}{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>{title}</h1>\n"
        ));
        html.element("p", "subtitle", &self.subtitle);
        html.push(format_args!("</header>\n"));
        for warning in &self.warnings {
            html.push(format_args!("<p class=\"warning\">{}</p>\n", Text(warning)));
        }
        html.element("p", "lead", &self.lead);
        for section in &self.sections {
            html.push(format_args!("<section>\n<h2>{}</h2>\n", Text(&section.heading)));
            for block in &section.blocks {
                html.block(block);
            }
            html.push(format_args!("</section>\n"));
        }
        html.push(format_args!("</main>\n</body>\n</html>\n"));
        html.out
    }
}

#[derive(Default)]
struct Html {
    out: String,
}

impl Html {
    fn push(&mut self, markup: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.out.write_fmt(markup);
    }

    fn element(&mut self, name: &str, class: &str, text: &str) {
        if !text.is_empty() {
            self.push(format_args!("<{name} class=\"{class}\">{}</{name}>\n", Text(text)));
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Text(text) => self.push(format_args!("<p>{}</p>\n", Text(text))),
            Block::Figures(figures) => {
                self.push(format_args!("<div class=\"figures\">\n"));
                figures.iter().for_each(|figure| self.figure(figure));
                self.push(format_args!("</div>\n"));
            }
            Block::Table(table) => self.table(table),
        }
    }

    /// A wide picture scrolls by itself rather than shrink until nothing can be read; it can be reached by keyboard.
    fn figure(&mut self, figure: &Figure) {
        let svg = figure.to_inline_svg();
        if figure.width > NARROW_MAX {
            let title = Text(&figure.title);
            self.push(format_args!(
                "<figure class=\"wide\"><div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{title}\">{svg}</div>"
            ));
        } else {
            self.push(format_args!("<figure>{svg}"));
        }
        self.element("figcaption", "", &figure.description);
        self.push(format_args!("</figure>\n"));
    }

    fn table(&mut self, table: &Table) {
        let caption = Text(&table.caption);
        self.push(format_args!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{caption}\">\n<table>\n"
        ));
        self.push(format_args!("<caption>{caption}</caption>\n<thead>\n<tr>"));
        for column in &table.columns {
            self.push(format_args!("<th scope=\"col\"{}>{}</th>", class_of(column), Text(&column.name)));
        }
        self.push(format_args!("</tr>\n</thead>\n<tbody>\n"));
        for row in &table.rows {
            self.push(format_args!("<tr>"));
            for (index, column) in table.columns.iter().enumerate() {
                let (class, value) = (class_of(column), Text(row.get(index).map_or("", String::as_str)));
                match index {
                    0 => self.push(format_args!("<th scope=\"row\"{class}>{value}</th>")),
                    _ => self.push(format_args!("<td{class}>{value}</td>")),
                }
            }
            self.push(format_args!("</tr>\n"));
        }
        self.push(format_args!("</tbody>\n</table>\n</div>\n"));
    }
}

const fn class_of(column: &Column) -> &'static str {
    if column.numeric { " class=\"number\"" } else { "" }
}

const PAGE_STYLE: &str = include_str!("page.css");
/// A picture up to this many pixels wide is readable when it shrinks to a telephone's screen.
const NARROW_MAX: u32 = 500;
