//! What differs between two texts, line by line.
//!
//! 1. The lines at both ends that are the same are set aside.
//! 2. Of what is left in the middle, a table says how many lines each two ends have in common.
//! 3. Where the table would be too large, all of the first middle is gone and all of the second new.

/// Pairs of lines that are compared, 8 bytes each: a thousand lines that all differ, against as many.
const MAX_PAIRS: usize = 1 << 20;

/// Shows both texts in one: lines that only the first has begin with `-`, those that only the second
/// has with `+`.
pub(super) fn difference(first: &str, second: &str) -> String {
    let (first, second): (Vec<&str>, Vec<&str>) =
        (first.lines().collect(), second.lines().collect());
    let head = first
        .iter()
        .zip(&second)
        .take_while(|(first, second)| first == second)
        .count();
    let (head, first) = first.split_at(head);
    let second = &second[head.len()..];
    let ends = first.iter().rev().zip(second.iter().rev());
    let tail = ends.take_while(|(first, second)| first == second).count();
    let (first, tail) = first.split_at(first.len() - tail);
    let second = &second[..second.len() - tail.len()];

    let mut out = String::new();
    put(&mut out, ' ', head);
    match first.len().saturating_mul(second.len()) <= MAX_PAIRS {
        true => put_middle(&mut out, first, second),
        false => {
            put(&mut out, '-', first);
            put(&mut out, '+', second);
        }
    }
    put(&mut out, ' ', tail);
    out
}

fn put(out: &mut String, mark: char, lines: &[&str]) {
    for line in lines {
        out.push(mark);
        out.push(' ');
        out.push_str(line);
        out.push('\n');
    }
}

fn put_middle(out: &mut String, first: &[&str], second: &[&str]) {
    let common = common_ends(first, second);
    let (mut at, mut of) = (0, 0);
    while at < first.len() || of < second.len() {
        if at < first.len() && of < second.len() && first[at] == second[of] {
            put(out, ' ', &first[at..=at]);
            (at, of) = (at + 1, of + 1);
        } else if of == second.len() || at < first.len() && common[at + 1][of] >= common[at][of + 1]
        {
            put(out, '-', &first[at..=at]);
            at += 1;
        } else {
            put(out, '+', &second[of..=of]);
            of += 1;
        }
    }
}

/// How many lines the ends have in common, from each pair of lines on.
fn common_ends(first: &[&str], second: &[&str]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; second.len() + 1]; first.len() + 1];
    for at in (0..first.len()).rev() {
        for of in (0..second.len()).rev() {
            common[at][of] = if first[at] == second[of] {
                common[at + 1][of + 1] + 1
            } else {
                common[at + 1][of].max(common[at][of + 1])
            };
        }
    }
    common
}
