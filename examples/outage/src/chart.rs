//! The picture: attempts that depart in each second of the run with the outage, a line a policy.

use plotters::coord::Shift;
use plotters::element::{DashedPathElement, PathElement, Text};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use tower::BoxError;

use crate::figures::Figures;
use crate::grid;
use crate::load::{LENGTH, LOADS, Load, OUTAGE};
use crate::log::Log;
use crate::policy::Policy;

/// The load that is drawn, and the rate.
const LOAD: Load = LOADS[0];
const RPS: u32 = 100;

const WIDTH: u32 = 900;
const HEIGHT: u32 = 440;
const HEAD: u32 = 112;
const LEGEND_LEFT: i32 = 24;
const LEGEND_STEP: i32 = 216;

/// As many attempts a request as have room: more than four, which is the most that any policy makes.
const MOST: f64 = 4.8;

const INK: RGBColor = RGBColor(36, 41, 47);
const FAINT: RGBColor = RGBColor(208, 215, 222);
const GREY: RGBColor = RGBColor(87, 96, 106);
const OUT: RGBColor = RGBColor(207, 34, 46);
const COLORS: [RGBColor; 4] = [
    RGBColor(9, 105, 218),
    RGBColor(188, 76, 0),
    RGBColor(130, 80, 223),
    INK,
];

/// What one policy did.
struct Line {
    policy: Policy,
    color: RGBColor,
    /// Attempts that departed in each second, by the requests that arrived in it.
    seconds: Vec<f64>,
    /// Attempts a request of the outage.
    attempts: f64,
}

impl Line {
    fn new(policy: Policy, color: RGBColor, log: &Log) -> Option<Self> {
        let mut arrived = vec![0_u32; usize::try_from(LENGTH.as_secs()).ok()?];
        for call in log.calls() {
            let second = usize::try_from(call.arrived.as_secs()).ok()?;
            // One that is due at the very end may come a millisecond later.
            if let Some(arrived) = arrived.get_mut(second) {
                *arrived += 1;
            }
        }
        let counted = log.calls().iter().filter(|call| LOAD.counts(call.arrived));
        let seconds = arrived.iter().enumerate();
        Some(Self {
            policy,
            color,
            seconds: seconds
                .map(|(second, &arrived)| {
                    f64::from(log.departed_in(second)) / f64::from(arrived.max(1))
                })
                .collect(),
            attempts: Figures::of(counted)?.attempts_per_request,
        })
    }

    /// A step a second, as a path.
    fn path(&self) -> Vec<(f64, f64)> {
        let step = |(second, attempts): (usize, &f64)| {
            let begins = second as f64;
            [(begins, *attempts), (begins + 1.0, *attempts)]
        };
        self.seconds.iter().enumerate().flat_map(step).collect()
    }

    /// Whether it only shows what the others are held against.
    fn is_control(&self) -> bool {
        self.policy.name == "none"
    }
}

/// Runs what is drawn, and draws it: the text of an SVG.
///
/// # Errors
///
/// Those of a run, and of drawing.
pub fn svg(seed: u64) -> Result<String, BoxError> {
    let lines = lines(RPS, seed)?;
    let mut svg = String::new();
    draw(&mut svg, &lines).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn lines(rps: u32, seed: u64) -> Result<Vec<Line>, BoxError> {
    grid::cell(LOAD, rps, seed)
        .zip(COLORS)
        .map(|((run, seed), color)| {
            let line = Line::new(run.policy, color, &run.log(seed)?);
            line.ok_or_else(|| "no request came in the outage".into())
        })
        .collect()
}

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(svg: &mut String, lines: &[Line]) -> Drawn {
    let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEAD);
    draw_head(&head, lines)?;
    draw_lines(&body, lines)?;
    root.present()?;
    Ok(())
}

fn draw_head(head: &Area<'_>, lines: &[Line]) -> Drawn {
    head.draw(&Text::new(
        "Attempts a request while a server is out for a minute",
        (LEGEND_LEFT, 14),
        font(20, &INK),
    ))?;
    head.draw(&Text::new(
        format!("departures in each second by arrivals in it, at {RPS} requests a second; below the names: the requests of the outage alone"),
        (LEGEND_LEFT, 42),
        font(13, &GREY),
    ))?;
    let mut left = LEGEND_LEFT;
    for line in lines {
        let key = [(left, 79), (left + 22, 79)];
        draw_key(head, line, key)?;
        head.draw(&Text::new(
            line.policy.name,
            (left + 30, 70),
            font(14, &line.color),
        ))?;
        let attempts = format!("{:.3} attempts a request", line.attempts);
        head.draw(&Text::new(attempts, (left + 30, 88), font(12, &GREY)))?;
        left += LEGEND_STEP;
    }
    Ok(())
}

fn draw_key(head: &Area<'_>, line: &Line, key: [(i32, i32); 2]) -> Drawn {
    if line.is_control() {
        let style = line.color.stroke_width(1);
        head.draw(&DashedPathElement::new(key, 5, 6, style))?;
    } else {
        head.draw(&PathElement::new(key, line.color.stroke_width(3)))?;
    }
    Ok(())
}

fn draw_lines(body: &Area<'_>, lines: &[Line]) -> Drawn {
    let mut chart = ChartBuilder::on(body)
        .margin_left(16)
        .margin_right(24)
        .margin_top(6)
        .margin_bottom(6)
        .x_label_area_size(26)
        .y_label_area_size(30)
        .build_cartesian_2d(0.0..LENGTH.as_secs_f64(), 0.0..MOST)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT.mix(0.6))
        .axis_style(FAINT)
        .label_style(font(12, &GREY))
        .x_labels(10)
        .x_label_formatter(&|second| format!("{second:.0} s"))
        .y_labels(5)
        .y_label_formatter(&|attempts| format!("{attempts:.0}"))
        .draw()?;
    let (from, to) = (OUTAGE.start.as_secs_f64(), OUTAGE.end.as_secs_f64());
    chart.draw_series([Rectangle::new(
        [(from, 0.0), (to, MOST)],
        OUT.mix(0.06).filled(),
    )])?;
    let middle = font(12, &OUT).pos(Pos::new(HPos::Center, VPos::Top));
    chart.draw_series([Text::new(
        "every attempt fails",
        ((from + to) / 2.0, MOST - 0.04),
        middle,
    )])?;
    // The first one last, above the others.
    for line in lines.iter().rev().filter(|line| !line.is_control()) {
        let width = if line.policy.name == "tollgate" { 3 } else { 2 };
        chart.draw_series([PathElement::new(
            line.path(),
            line.color.stroke_width(width),
        )])?;
    }
    // The control is one attempt a request throughout; thick, it would hide what lies on it.
    for line in lines.iter().filter(|line| line.is_control()) {
        chart.draw_series(DashedLineSeries::new(
            line.path(),
            5,
            6,
            INK.stroke_width(1),
        ))?;
    }
    Ok(())
}

fn font(size: u32, color: &RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(color)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::POLICIES;

    #[test]
    fn every_policy_has_a_name_and_a_line_in_the_picture() {
        let lines = lines(3, 7).expect("all runs");
        let mut svg = String::new();
        draw(&mut svg, &lines).expect("a picture");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for (policy, color) in POLICIES.iter().zip(COLORS) {
            assert!(svg.contains(policy.name), "{policy:?}");
            let color = format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2);
            assert!(svg.contains(&color), "{policy:?}");
        }
        assert_eq!(POLICIES.len(), COLORS.len());
    }

    #[test]
    fn the_control_is_one_attempt_a_request_in_every_second() {
        let lines = lines(3, 7).expect("all runs");
        let control = lines.iter().find(|line| line.is_control());
        let control = control.expect("a control");
        assert_eq!(control.attempts, 1.0);
        assert!(control.seconds.iter().all(|attempts| *attempts == 1.0));
    }

    #[test]
    fn a_second_is_a_step() {
        let line = Line {
            policy: POLICIES[0],
            color: INK,
            seconds: vec![1.0, 3.0],
            attempts: 2.0,
        };
        assert_eq!(
            line.path(),
            [(0.0, 1.0), (1.0, 1.0), (1.0, 3.0), (2.0, 3.0)]
        );
    }
}
