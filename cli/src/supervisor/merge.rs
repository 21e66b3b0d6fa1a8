//! One `/metrics` of several roles. Pure.

use std::collections::BTreeMap;

/// Joins Prometheus texts: each family's description once, its samples together.
///
/// Roles have families of their own but for `build_info`, whose samples carry the role.
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
