//! The report as one page: no script, nothing from elsewhere.

use super::svg::{bars, confusion, escaped, histogram, ranges, reliability};
use super::{Group, Report, span};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;color:#222;margin:2rem auto;max-width:60rem;padding:0 1rem}\
    h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}\
    table{border-collapse:collapse}th,td{padding:.2rem .8rem .2rem 0;text-align:right;border-bottom:1px solid #ddd}\
    th:first-child,td:first-child{text-align:left}.beside{display:flex;flex-wrap:wrap;gap:2rem}p.small{color:#666}";

pub(super) fn page(r: &Report) -> String {
    let s = &r.subject;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Evaluation</title><style>{STYLE}</style></head>\n\
         <body><main>\n<h1>Evaluation</h1>\n<p>Models: {}<br>Data: {}<br>{}</p>\n",
        escaped(&s.models.join(", ")),
        escaped(&s.data.join(", ")),
        match &s.folds {
            Some(folds) => format!("Folds: {}", escaped(folds)),
            None => "No folds: every sample is answered by one model".to_owned(),
        }
    );
    if s.trained_on {
        page += "<p><b>Trained on these very people: these scores say nothing of others.</b></p>\n";
    }
    if s.pretrained_on {
        page += "<p><b>Pre-trained, without labels, on some of these people.</b></p>\n";
    }
    if let Some(n) = s.left_out {
        page += &format!("<p>{n} samples left out, whose pictures are in other shards, too.</p>\n");
    }
    page += &section("Scores", &table(r));
    let all = &r.pooled;
    let spans: Vec<_> =
        r.groups.iter().chain([all]).map(|g| (g.name.clone(), g.scores.war, g.intervals.map(|i| i.war))).collect();
    page += &section("WAR", &ranges("WAR with intervals", &spans));
    page += &section(
        "Confusion matrix (rows: what it is; columns: what it was named)",
        &confusion(&s.labels, &all.scores.confusion),
    );
    let recalls: Vec<_> = s.labels.iter().cloned().zip(all.scores.recall.iter().copied()).collect();
    page += &section("Recall of each class", &bars("recall", &recalls));
    let c = &r.calibration;
    let bins: Vec<_> = c.bins.iter().map(|b| (b.samples, b.confidence, b.accuracy)).collect();
    let words = format!(
        "<p>Expected calibration error {:.3} at temperature {}; {:.3} at the best temperature, {:.3}.</p>\n",
        c.ece, s.temperature, c.best_ece, c.best_temperature
    );
    page += &section("Reliability: accuracy (bars) by confidence", &(reliability(&bins) + &words));
    if !r.ious.is_empty() {
        let same = r.constant.map_or(String::new(), |c| {
            format!("; the same box and points always: IoU {:.3}, NME {:.3}", c.box_iou, c.landmark_nme)
        });
        let seen = if s.off_centre { "off the middle" } else { "in the middle" };
        let frames = format!("<p class=\"small\">{} frames whose face is known, {seen}{same}</p>\n", r.ious.len());
        let plots = format!(
            "<div class=\"beside\"><div>Box IoU<br>{}</div><div>Landmark error, eye distances<br>{}</div></div>\n",
            histogram("box IoU", &r.ious, 1.0),
            histogram("landmark error", &r.nmes, 0.5)
        );
        page += &section("Boxes and landmarks", &(plots + &frames));
    }
    page + "<p class=\"small\">Intervals: 95 % of 1000 bootstrap draws of persons.</p>\n</main></body></html>\n"
}

fn section(title: &str, content: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{content}</section>\n", escaped(title))
}

fn table(r: &Report) -> String {
    let boxes = !r.ious.is_empty();
    let row = |g: &Group| {
        let (s, i) = (&g.scores, g.intervals);
        let mut cells = vec![
            escaped(&g.name),
            s.samples.to_string(),
            g.persons.to_string(),
            format!("{:.4}{}", s.war, span(i.map(|i| i.war))),
            format!("{:.4}{}", s.uar, span(i.map(|i| i.uar))),
        ];
        if boxes {
            cells.push(format!("{:.3}{}", s.box_iou, span(i.map(|i| i.box_iou))));
            cells.push(format!("{:.3}{}", s.landmark_nme, span(i.map(|i| i.landmark_nme))));
        }
        format!("<tr><td>{}</td></tr>\n", cells.join("</td><td>"))
    };
    let mut heads = vec!["", "samples", "persons", "WAR", "UAR"];
    if boxes {
        heads.extend(["box IoU", "landmark NME"]);
    }
    let rows: String = r.groups.iter().chain([&r.pooled]).map(row).collect();
    format!("<table>\n<tr><th>{}</th></tr>\n{rows}</table>\n", heads.join("</th><th>"))
}
