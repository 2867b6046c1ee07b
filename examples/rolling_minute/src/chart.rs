//! The picture: requests in the trailing minute at the exact rolling server, a line a limiter.
//!
//! Each line has a panel of its own, since most lie on the limit; limiters that sent the very same share one.

use std::time::Duration;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{PathElement, Polygon, Text};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use tower::BoxError;

use crate::arrivals::Arrivals;
use crate::latency::{LATENCIES, Latency};
use crate::limiter::LIMITERS;
use crate::load::Load;
use crate::run::Run;
use crate::server::{self, LIMIT, SERVERS};

/// How long is drawn.
const TIME: Duration = Duration::from_secs(600);

/// How far apart the points of a line are; each is the highest count of its step.
const STEP: Duration = Duration::from_secs(2);

/// The server that is drawn, and the latency.
const SERVER: server::Kind = SERVERS[0];
const LATENCY: Latency = LATENCIES[1];

const COLUMNS: usize = 2;
const WIDTH: u32 = 900;
const HEAD: u32 = 64;
const PANEL: u32 = 200;

/// The highest count that has room: more than twice the limit.
const MOST: f64 = 210.0;

const INK: RGBColor = RGBColor(36, 41, 47);
const FAINT: RGBColor = RGBColor(208, 215, 222);
const GREY: RGBColor = RGBColor(87, 96, 106);
const OURS: RGBColor = RGBColor(9, 105, 218);
const PEER: RGBColor = RGBColor(87, 96, 106);
const OVER: RGBColor = RGBColor(207, 34, 46);

/// What one limiter sent, or several that sent the same.
struct Line {
    names: Vec<&'static str>,
    arrivals: Arrivals,
}

type Panel<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Runs what is drawn, and draws it: the text of an SVG.
///
/// # Errors
///
/// Those of a run, and of drawing.
pub fn svg(seed: u64) -> Result<String, BoxError> {
    let mut lines: Vec<Line> = Vec::new();
    for &limiter in LIMITERS {
        let run = Run {
            limiter,
            server: SERVER,
            latency: LATENCY,
            load: Load::Steady,
        };
        let arrivals = run.over(TIME, seed)?;
        match lines.iter_mut().find(|line| line.arrivals == arrivals) {
            Some(line) => line.names.push(limiter.name),
            None => lines.push(Line {
                names: vec![limiter.name],
                arrivals,
            }),
        }
    }
    let mut svg = String::new();
    draw(&mut svg, &lines).map_err(|error| error.to_string())?;
    Ok(svg)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, lines: &[Line]) -> Drawn {
    let rows = lines.len().div_ceil(COLUMNS);
    let height = HEAD + PANEL * u32::try_from(rows)?;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEAD);
    head.draw(&Text::new(
        format!("Requests in the trailing minute at a server that allows {LIMIT} in any 60 s"),
        (24, 14),
        font(20, &INK),
    ))?;
    head.draw(&Text::new(
        format!(
            "always more to send; round trips of {} ms in the median, {} ms in the 99th percentile; the red ground lies above the limit",
            LATENCY.median.as_millis(),
            LATENCY.p99.as_millis()
        ),
        (24, 42),
        font(13, &GREY),
    ))?;
    let panels = body.split_evenly((rows, COLUMNS));
    for (panel, line) in panels.iter().zip(lines) {
        draw_panel(panel, line)?;
    }
    root.present()?;
    Ok(())
}

fn draw_panel(area: &DrawingArea<SVGBackend<'_>, Shift>, line: &Line) -> Drawn {
    let Line { names, arrivals } = line;
    let minutes = TIME.as_secs_f64() / 60.0;
    let mut panel = ChartBuilder::on(area)
        .margin_left(16)
        .margin_right(24)
        .margin_top(28)
        .x_label_area_size(24)
        .y_label_area_size(34)
        .build_cartesian_2d(0.0..minutes, 0.0..MOST)?;
    panel
        .configure_mesh()
        .disable_mesh()
        .axis_style(FAINT)
        .label_style(font(11, &GREY))
        .x_labels(6)
        .x_label_formatter(&|minute| format!("{minute:.0} min"))
        .y_labels(5)
        .y_label_formatter(&|count| format!("{count:.0}"))
        .draw()?;
    let ours = names.iter().all(|name| name.starts_with("tollgate"));
    let color = if ours { OURS } else { PEER };
    draw_line(&mut panel, arrivals, color)?;

    let title = font(13, if ours { &OURS } else { &INK });
    area.draw(&Text::new(names.join(", "), (50, 8), title))?;
    let rejected = arrivals.rejected();
    let right = Pos::new(HPos::Right, VPos::Top);
    let figures = format!("{rejected} × 429, peak {}", arrivals.peak());
    let style = font(12, if rejected > 0 { &OVER } else { &GREY }).pos(right);
    let (width, _) = area.dim_in_pixel();
    area.draw(&Text::new(figures, (i32::try_from(width)? - 24, 9), style))?;
    Ok(())
}

fn draw_line(panel: &mut Panel<'_, '_>, arrivals: &Arrivals, color: RGBColor) -> Drawn {
    let limit = LIMIT as f64;
    let points: Vec<_> = arrivals
        .highest_each(STEP, TIME)
        .into_iter()
        .enumerate()
        .map(|(step, count)| (STEP.as_secs_f64() * step as f64 / 60.0, count as f64))
        .collect();
    let minutes = TIME.as_secs_f64() / 60.0;
    let above = [(0.0, limit), (minutes, MOST)];
    panel.draw_series([Rectangle::new(above, OVER.mix(0.05).filled())])?;
    panel.draw_series(DashedLineSeries::new(
        [(0.0, limit), (minutes, limit)],
        5,
        4,
        OVER.stroke_width(1),
    ))?;
    panel.draw_series([PathElement::new(points.clone(), color.stroke_width(2))])?;
    // What lies above the limit, stretch by stretch.
    let stretches = points.chunk_by(|a, b| (a.1 > limit) == (b.1 > limit));
    for stretch in stretches.filter(|stretch| stretch[0].1 > limit) {
        let (first, last) = (stretch[0].0, stretch[stretch.len() - 1].0);
        let mut outline = vec![(first, limit)];
        outline.extend(stretch);
        outline.push((last, limit));
        panel.draw_series([Polygon::new(outline.clone(), OVER.mix(0.25).filled())])?;
        panel.draw_series([PathElement::new(outline, OVER.stroke_width(2))])?;
    }
    Ok(())
}

fn font(size: u32, color: &RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(color)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limiter_has_a_name_and_a_line_in_the_picture() {
        let svg = svg(7).expect("a picture");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for limiter in LIMITERS {
            assert!(svg.contains(limiter.name), "{limiter:?}");
        }
        let lines = svg.matches(r##"stroke="#0969DA""##).count();
        assert_eq!(lines, 3, "tollgate, and its tick and paced variants");
    }
}
