//! Levels of times against their naive twin, which looks each time up in a sorted set.

use std::collections::BTreeSet;

use db_native::levels;
use proptest::prelude::*;

fn twin(times: &[i64]) -> (Vec<i32>, Vec<i64>) {
    let distinct: Vec<i64> = times.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let place = |time: &i64| distinct.iter().position(|known| known == time).expect("it is there");
    (times.iter().map(|time| i32::try_from(place(time)).expect("there are few")).collect(), distinct)
}

proptest! {
    #[test]
    fn equal_the_twin(times in prop::collection::vec(-20_i64..20, 0..60)) {
        prop_assert_eq!(twin(&times), levels(&times));
    }

    #[test]
    fn equal_the_twin_for_sorted_series(mut series in prop::collection::vec(prop::collection::vec(any::<i64>(), 0..40), 0..6)) {
        for times in &mut series {
            times.sort_unstable();
        }
        let again = series.clone();
        let times: Vec<i64> = series.into_iter().chain(again).flatten().collect();
        prop_assert_eq!(twin(&times), levels(&times));
    }
}
