//! Makes times a level of an index: the distinct times in order, and for each row the position of its time there.
//!
//! The times of a frame are ascending runs, one for each series, and series often have the same times. So the
//! new times of a run are merged into the known ones, and positions are found by walking through both. The hash
//! table that pandas uses would visit its memory at random for each row.

/// Returns the place of each time, and the distinct times, ascending. There are no more of these than an i32 holds.
#[must_use]
pub fn levels(times: &[i64]) -> (Vec<i32>, Vec<i64>) {
    let mut distinct = Vec::new();
    let mut last: &[i64] = &[];
    for run in times.chunk_by(|one, next| one <= next) {
        if run != last {
            distinct.extend_from_slice(run);
        }
        last = run;
    }
    #[expect(clippy::stable_sort_primitive, reason = "the stable sort merges runs")]
    distinct.sort();
    distinct.dedup();
    let mut places = Vec::with_capacity(times.len());
    last = &[];
    for run in times.chunk_by(|one, next| one <= next) {
        if run == last {
            places.extend_from_within(places.len() - run.len()..);
            continue;
        }
        let mut place = 0;
        for time in run {
            place += gallop(&distinct[place..], *time);
            places.push(i32::try_from(place).unwrap_or(i32::MAX));
        }
        last = run;
    }
    (places, distinct)
}

/// The position of a known time. The search goes in steps that double, since it is mostly one of the next.
fn gallop(times: &[i64], time: i64) -> usize {
    let mut step = 1;
    while times.get(step).is_some_and(|known| *known < time) {
        step *= 2;
    }
    let begin = step / 2;
    begin + times[begin..times.len().min(step + 1)].partition_point(|known| *known < time)
}

#[cfg(test)]
mod tests {
    use super::levels;

    #[test]
    fn series_share_their_times() {
        assert_eq!((vec![0, 1, 2, 0, 1, 2], vec![5, 7, 9]), levels(&[5, 7, 9, 5, 7, 9]));
    }

    #[test]
    fn series_have_times_of_their_own() {
        assert_eq!((vec![1, 3, 0, 2, 3, 1], vec![-1, 5, 6, 9]), levels(&[5, 9, -1, 6, 9, 5]));
    }

    #[test]
    fn a_time_may_repeat_within_a_series() {
        assert_eq!((vec![0, 0, 1], vec![4, 8]), levels(&[4, 4, 8]));
    }

    #[test]
    fn there_may_be_none() {
        assert_eq!((vec![], vec![]), levels(&[]));
    }
}
