//! The samples as a picture: memory, handles and threads, and how fast things were, one above the other.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::Sample;

const SIZE: (u32, u32) = (1000, 900);

/// A curve: its name, its colour, and where it is.
struct Curve {
    name: &'static str,
    colour: RGBColor,
    of: fn(&Sample) -> Option<f64>,
}

const MEMORY: [Curve; 2] = [
    Curve {
        name: "service, MiB resident",
        colour: BLUE,
        of: |s| Some(s.service.rss_kib as f64 / 1024.0),
    },
    Curve {
        name: "ClickHouse, MiB resident",
        colour: RED,
        of: |s| Some(s.engine.rss_kib as f64 / 1024.0),
    },
];
const HANDLES: [Curve; 3] = [
    Curve {
        name: "service, open handles",
        colour: BLUE,
        of: |s| Some(s.service.handles as f64),
    },
    Curve {
        name: "service, threads",
        colour: GREEN,
        of: |s| Some(s.service.threads as f64),
    },
    Curve {
        name: "ClickHouse, open handles",
        colour: RED,
        of: |s| Some(s.engine.handles as f64),
    },
];
const SPEED: [Curve; 2] = [
    Curve {
        name: "freshness p99, ms",
        colour: RED,
        of: |s| s.freshness_ms,
    },
    Curve {
        name: "overhead p99, ms (bucket)",
        colour: BLUE,
        of: |s| s.overhead_ms.filter(|ms| ms.is_finite()),
    },
];

/// Draws them into a file.
pub(super) fn draw(samples: &[Sample], file: &Path) -> Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| anyhow!("{}: {error}", file.display());
    root.fill(&WHITE).map_err(|error| failed(&error))?;
    let panels = root.split_evenly((3, 1));
    for (panel, curves) in panels.iter().zip([&MEMORY[..], &HANDLES[..], &SPEED[..]]) {
        plot(panel, samples, curves).map_err(|error| failed(&error))?;
    }
    root.present().map_err(|error| failed(&error))
}

type Panel<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn plot(
    panel: &Panel<'_>,
    samples: &[Sample],
    curves: &[Curve],
) -> Result<(), Box<dyn std::error::Error>> {
    let minutes = |sample: &Sample| sample.seconds / 60.0;
    let longest = samples.last().map_or(1.0, minutes).max(0.1);
    let values = curves
        .iter()
        .flat_map(|curve| samples.iter().filter_map(curve.of));
    let highest = values.fold(1.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..longest, 0.0..highest)?;
    chart.configure_mesh().x_desc("minutes").draw()?;
    for curve in curves {
        let (colour, of) = (curve.colour, curve.of);
        let points = samples
            .iter()
            .filter_map(|sample| Some((minutes(sample), of(sample)?)));
        chart
            .draw_series(LineSeries::new(points, colour))?
            .label(curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(())
}
