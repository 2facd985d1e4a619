//! What differs between two texts, line by line.

/// Shows both texts in one: lines that only the first has begin with `-`, those that only the second
/// has with `+`.
pub(super) fn difference(first: &str, second: &str) -> String {
    let (first, second): (Vec<&str>, Vec<&str>) =
        (first.lines().collect(), second.lines().collect());
    let common = common_ends(&first, &second);
    let (mut at, mut of, mut out) = (0, 0, String::new());
    let mut put = |mark: char, line: &str| {
        out.push(mark);
        out.push(' ');
        out.push_str(line);
        out.push('\n');
    };
    while at < first.len() || of < second.len() {
        if at < first.len() && of < second.len() && first[at] == second[of] {
            put(' ', first[at]);
            (at, of) = (at + 1, of + 1);
        } else if of == second.len() || at < first.len() && common[at + 1][of] >= common[at][of + 1]
        {
            put('-', first[at]);
            at += 1;
        } else {
            put('+', second[of]);
            of += 1;
        }
    }
    out
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
