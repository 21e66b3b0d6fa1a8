//! One `/metrics` of several roles. Pure.

use std::collections::BTreeMap;

/// Joins Prometheus texts: each family's description once, its samples together.
///
/// Samples of a family that several roles have differ by a label, which the tables of
/// [`proto::metric`] see to.
pub(crate) fn metrics(texts: &[String]) -> String {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    for text in texts {
        let mut current = "";
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let kind = words.next().unwrap_or_default();
                current = words.next().unwrap_or_default();
                let family = families.entry(current).or_default();
                match kind {
                    "HELP" => family.help = line,
                    "TYPE" => family.kind = line,
                    _ => {}
                }
            } else if !line.is_empty() {
                families.entry(current).or_default().samples.push(line);
            }
        }
    }
    let mut joined = String::new();
    for family in families
        .values()
        .filter(|family| !family.samples.is_empty())
    {
        for line in [family.help, family.kind].iter().chain(&family.samples) {
            if !line.is_empty() {
                joined.push_str(line);
                joined.push('\n');
            }
        }
    }
    joined
}

#[derive(Default)]
struct Family<'a> {
    help: &'a str,
    kind: &'a str,
    samples: Vec<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_roles_stand_together_in_their_family() {
        let certificate = |kind: &str| {
            format!(
                "# HELP end_seconds When.\n# TYPE end_seconds gauge\nend_seconds{{kind=\"{kind}\"}} 1\n"
            )
        };
        let took = "# HELP took_seconds How long.\n# TYPE took_seconds histogram\n\
                    took_seconds_bucket{le=\"1\"} 1\ntook_seconds_bucket{le=\"+Inf\"} 2\n\
                    took_seconds_sum 3\ntook_seconds_count 2\n";
        let none = "# HELP none_total Nothing.\n# TYPE none_total counter\n";
        let one = format!("{}{took}", certificate("eap"));
        let two = format!("{none}{}", certificate("admin"));
        assert_eq!(
            metrics(&[one, two]),
            format!(
                "# HELP end_seconds When.\n# TYPE end_seconds gauge\nend_seconds{{kind=\"eap\"}} 1\n\
                 end_seconds{{kind=\"admin\"}} 1\n{took}"
            )
        );
    }

    #[test]
    fn a_family_of_two_roles_is_described_once() {
        let one = "# HELP build_info Version.\n# TYPE build_info gauge\nbuild_info{role=\"a\"} 1\n\
                   # HELP x_total X.\n# TYPE x_total counter\nx_total{y=\"1\"} 3\nx_total{y=\"2\"} 4\n";
        let two = "# HELP build_info Version.\n# TYPE build_info gauge\nbuild_info{role=\"b\"} 1\n";
        assert_eq!(
            metrics(&[one.to_owned(), two.to_owned()]),
            "# HELP build_info Version.\n# TYPE build_info gauge\nbuild_info{role=\"a\"} 1\n\
             build_info{role=\"b\"} 1\n# HELP x_total X.\n# TYPE x_total counter\n\
             x_total{y=\"1\"} 3\nx_total{y=\"2\"} 4\n"
        );
    }
}
