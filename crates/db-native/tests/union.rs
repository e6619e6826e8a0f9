//! Union, split and concatenation against naive twins.

use std::collections::BTreeSet;

use crate::common::answers::answer;
use crate::common::cases;
use crate::common::plain::{Plain, Value, columns};
use crate::common::unions::{Frame, frame, twin, twin_of_split};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use db_native::{Answer, Decoder, EndMark, ErrorKind};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

fn decode(text: &[u8]) -> Answer {
    let mut decoder = Decoder::new();
    decoder.feed(text).unwrap();
    decoder.finish(EndMark::Required).unwrap()
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_union_is_what_the_twin_makes(text in answer()) {
        let answer = decode(&text);
        let union = db_native::union(&answer).map(|batch| frame(&batch)).map_err(|error| match error.kind {
            ErrorKind::Conflict { column, .. } => column,
            other => panic!("{other:?}"),
        });
        prop_assert_eq!(twin(&Plain::from(&answer)), union);
    }

    #[test]
    fn split_gives_each_schema_its_rows(text in answer()) {
        let answer = decode(&text);
        let plain = Plain::from(&answer);
        let frames: Vec<Frame> = db_native::split(&answer).unwrap().iter().map(frame).collect();
        prop_assert_eq!(twin_of_split(&plain), Ok(frames));
    }

    #[test]
    fn pieces_join_to_the_whole(text in answer(), at in vec(any::<Index>(), 0..4)) {
        for whole in db_native::split(&decode(&text)).unwrap() {
            let places: BTreeSet<usize> = at.iter().map(|index| index.index(whole.num_rows() + 1)).collect();
            let starts = std::iter::once(0).chain(places.iter().copied());
            let ends = places.iter().copied().chain([whole.num_rows()]);
            let pieces: Vec<_> = starts.zip(ends).map(|(start, end)| whole.slice(start, end - start)).collect();
            prop_assert_eq!(frame(&whole), frame(&db_native::concat(&whole.schema(), &pieces).unwrap()));
        }
    }
}

fn two_tables(first: (&str, &str), second: (&str, &str)) -> Answer {
    let block =
        |(datatype, value): (&str, &str)| format!("#datatype,long,{datatype}\n,t,v\n,0,{value}\n,0,{value}\n\n");
    decode((block(first) + &block(second)).as_bytes())
}

#[test]
fn a_conflict_names_both_tables_and_types() {
    let message = |answer: &Answer| db_native::union(answer).unwrap_err().to_string();
    assert_eq!(
        "column \"v\": long in table 0 and string in table 1 have no common type",
        message(&two_tables(("long", "1"), ("string", "a")))
    );
    assert_eq!(
        "column \"v\": double in table 0 and unsignedLong in table 1 have no common type: a double can't hold 18446744073709551615 exactly",
        message(&two_tables(("double", "1"), ("unsignedLong", "18446744073709551615")))
    );
    assert_eq!(
        "column \"v\": long in table 0 and double in table 1 have no common type: a double can't hold 9007199254740993 exactly",
        message(&two_tables(("long", "9007199254740993"), ("double", "1")))
    );
}

#[test]
fn a_conflict_without_rows_is_none() {
    let text = b"#datatype,long\n,v\n,1\n\n#datatype,string\n,v\n\n";
    let union = db_native::union(&decode(text)).unwrap();
    assert_eq!(vec![("v".to_owned(), DataType::Int64, vec![Value::Long(1)])], frame(&union));
}

#[test]
fn a_column_that_stands_twice_is_a_conflict() {
    let answer = decode(b"#datatype,long,long\n,v,v\n,1,2\n\n");
    let expected = "column \"v\": occurs twice in table 0; rename one of them in the query";
    assert_eq!(expected, db_native::union(&answer).unwrap_err().to_string());
    assert_eq!(expected, db_native::split(&answer).unwrap_err().to_string());
}

#[test]
fn an_answer_without_rows_is_a_frame_without_columns() {
    let union = db_native::union(&decode(b"\r\n")).unwrap();
    assert_eq!((0, 0), (union.num_columns(), union.num_rows()));
    assert!(db_native::split(&decode(b"\r\n")).unwrap().is_empty());
}

#[test]
fn one_table_is_not_copied() {
    let answer = decode(b"#datatype,double\n,v\n,1\n,2\n\n");
    let union = db_native::union(&answer).unwrap();
    let address =
        |array: &arrow_array::ArrayRef| array.as_primitive::<arrow_array::types::Float64Type>().values().as_ptr();
    assert_eq!(address(&answer.groups[0].columns[0]), address(union.column(0)));
}

#[test]
fn dictionaries_of_other_words_are_joined() {
    let dictionary =
        |text: &str| db_native::union(&decode(format!("#datatype,string\n#group,true\n,t\n{text}\n").as_bytes()));
    let batches = [dictionary(",a\n,b\n").unwrap(), dictionary(",b\n,c\n,a\n").unwrap()];
    let joined = db_native::concat(&batches[0].schema(), &batches).unwrap();
    let expected = ["a", "b", "b", "c", "a"].map(Value::text).to_vec();
    assert_eq!(vec![("t".to_owned(), expected)], columns(&joined));
}

#[test]
fn dictionaries_with_more_words_than_keys_are_an_error() {
    use arrow_array::{DictionaryArray, Int8Array, StringArray};
    use std::sync::Arc;

    let words = |prefix: &str| -> RecordBatch {
        let words: StringArray = (0..100).map(|word| Some(format!("{prefix}{word}"))).collect();
        let array = DictionaryArray::new(Int8Array::from_iter_values(0..100), Arc::new(words));
        RecordBatch::try_from_iter([("meter", Arc::new(array) as _)]).unwrap()
    };
    let batches = [words("a"), words("b")];
    let error = db_native::concat(&batches[0].schema(), &batches).unwrap_err();
    assert!(
        error.to_string().starts_with("column \"meter\": its Dictionary(Int8, Utf8) chunks can't be joined"),
        "{error}"
    );
}
