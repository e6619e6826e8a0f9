//! Single points: lines by hand and every refusal, and lines of text. That points arrive: see `line_protocol.rs`.

use crate::common::cases;
use crate::common::lines::parse;
use db_native::{Gathered, Value, split_lines};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn gathered(tags: &[(&str, &str)]) -> Gathered {
    let tags: Vec<_> = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Gathered::new(Some("m"), &tags).unwrap()
}

fn body(gathered: &mut Gathered) -> String {
    String::from_utf8(gathered.take().0).unwrap()
}

/// What `gathered` says about a point, or the point's line.
fn line(tags: &[(&str, &str)], point: fn(&mut Gathered) -> db_native::Result<()>) -> String {
    let mut gathered = gathered(tags);
    match gathered.begin(None).and_then(|()| point(&mut gathered)) {
        Ok(()) => body(&mut gathered),
        Err(error) => {
            assert_eq!((0, 0), (gathered.size(), gathered.rows()));
            error.to_string()
        }
    }
}

#[test]
fn lines_and_refusals_by_hand() {
    let cases: [(&str, String); 14] = [
        (
            "m,a=1,b=true,c=x\\ y,z=2 f=1.5,i=-1i,u=1u,s=\"a\\\"b\" 7\n",
            line(&[("c", "x y")], |g| {
                g.tag("z", Value::Unsigned(2))?;
                g.tag("a", Value::Integer(1))?;
                g.tag("b", Value::Boolean(true))?;
                g.tag("none", Value::Text(""))?;
                g.tag("none", Value::Float(f64::NAN))?;
                g.field("f", Value::Float(1.5))?;
                g.field("none", Value::Float(f64::NAN))?;
                g.field("i", Value::Integer(-1))?;
                g.field("u", Value::Unsigned(1))?;
                g.field("s", Value::Text("a\"b"))?;
                g.end(7)
            }),
        ),
        (
            "own v=1i 1\n",
            line(&[], |g| {
                g.begin(Some("own"))?;
                g.field("v", Value::Integer(1))?;
                g.end(1)
            }),
        ),
        (
            "no field has a value; a point needs at least one",
            line(&[], |g| {
                g.field("v", Value::Float(f64::NAN))?;
                g.end(1)
            }),
        ),
        (
            "field \"v\": inf can't be stored; InfluxDB stores only finite floats",
            line(&[], |g| g.field("v", Value::Float(f64::INFINITY))),
        ),
        (
            "tag \"k\": a tag is a text, an integer or a boolean, not a float",
            line(&[], |g| g.tag("k", Value::Float(1.0))),
        ),
        (
            "tag \"k\": all points have this tag already; leave out one of the two",
            line(&[("k", "v")], |g| g.tag("k", Value::Text("w"))),
        ),
        (
            "field \"k\": a tag has this name too, and no read can tell the two apart; rename one",
            line(&[("k", "v")], |g| g.field("k", Value::Integer(1))),
        ),
        (
            "field \"time\": InfluxDB refuses a field of this name; rename it, or make it the time",
            line(&[], |g| g.field("time", Value::Integer(1))),
        ),
        (
            "tag \"_field\": InfluxDB uses this name itself, so no tag can have it; rename the tag",
            line(&[], |g| g.tag("_field", Value::Text("x"))),
        ),
        (
            "tag \"k\": the tag value \"a\\n\" holds a line feed; it can't be written and read back",
            line(&[], |g| g.tag("k", Value::Text("a\n"))),
        ),
        (
            "the measurement \"#\" starts with '#', as a comment does; it can't be written and read back",
            line(&[], |g| g.begin(Some("#"))),
        ),
        (
            "its time, 9223372036854775806 ns, lies outside InfluxDB's times, 1677-09-21 to 2262-04-11",
            line(&[], |g| {
                g.field("v", Value::Integer(1))?;
                g.end(i64::MAX - 1)
            }),
        ),
        ("the tag key \"\" is empty; it can't be written and read back", line(&[], |g| g.tag("", Value::Text("x")))),
        (
            "the field key \"\" is empty; it can't be written and read back",
            line(&[], |g| g.field("", Value::Integer(1))),
        ),
    ];
    for (expected, found) in cases {
        assert_eq!(expected, found);
    }
}

#[test]
fn names_and_texts_have_limits() {
    let long = "x".repeat(70_000);
    let mut too_long = gathered(&[]);
    too_long.begin(Some(&long)).unwrap();
    too_long.field("v", Value::Boolean(true)).unwrap();
    assert!(too_long.end(1).unwrap_err().to_string().contains("have 70001 bytes; InfluxDB stores at most 65531"));
    let text = "x".repeat((1 << 20) + 1);
    assert!(too_long.field("v", Value::Text(&text)).is_err());

    let error = Gathered::new(None, &[]).unwrap().begin(None).unwrap_err();
    assert_eq!("it has no measurement; name one in the point, or for all points", error.to_string());
    assert!(Gathered::new(Some(""), &[]).is_err());
    assert!(Gathered::new(None, &[("time".to_owned(), "x".to_owned())]).is_err());
}

#[test]
fn any_number_of_names_is_taken() {
    let mut gathered = gathered(&[]);
    for number in 0..10_000 {
        gathered.begin(Some(&format!("m{number}"))).unwrap();
        gathered.field(&format!("f{number}"), Value::Integer(number)).unwrap();
        gathered.end(number).unwrap();
    }
    let expected: Vec<String> = (0..10_000).map(|n| format!("m{n} f{n}={n}i {n}\n")).collect();
    assert_eq!(expected.concat(), body(&mut gathered));
}

#[test]
fn lines_of_text_keep_their_times_and_get_one_where_there_is_none() {
    let mut gathered = gathered(&[]);
    gathered.text("m v=1 5\n\n# a comment=\"\n  m,k=a\\ b v=\"x y\n=,\",w=2i\nm v=3 -4\n", 7).unwrap();
    assert_eq!(3, gathered.rows());
    assert_eq!("m v=1 5\nm,k=a\\ b v=\"x y\n=,\",w=2i 7\nm v=3 -4\n", body(&mut gathered));

    for text in ["m v=\"open", "m v=1 1\\", "m v=1 1\nm", "m v=1 soon", "m v=1 1 1", " v", "m,k=a v", "m v=1 -"] {
        assert!(gathered.text(text, 7).is_err(), "{text:?}");
        assert_eq!((0, 0), (gathered.size(), gathered.rows()));
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    /// Whatever text is taken, the lines after it stay theirs, and no line is lost or made.
    #[test]
    fn text_does_not_reach_into_the_next_line(
        parts in vec(select(vec!["m", " ", "v=1", ",", "=", "\"", "\\", "\n", "#", "1", "k=a", "v=\"", "\t", "é"]), 0..12),
    ) {
        let mut gathered = gathered(&[]);
        let rows = match gathered.text(&parts.concat(), 3) {
            Ok(()) => gathered.rows(),
            Err(_) => 0,
        };
        gathered.begin(None).unwrap();
        gathered.field("v", Value::Text("a\nb")).unwrap();
        gathered.end(7).unwrap();
        let body = body(&mut gathered);
        let lines: Vec<&[u8]> = split_lines(body.as_bytes()).collect();
        prop_assert_eq!(rows + 1, lines.len());
        prop_assert_eq!(body.as_bytes(), lines.concat());
        prop_assert_eq!(Some(&b"m v=\"a\nb\" 7\n"[..]), lines.last().copied());
        // The server takes each alone as it takes them together.
        let alone: Vec<_> = lines.iter().filter_map(|line| parse(std::str::from_utf8(line).unwrap()).ok()).collect();
        if let Ok(points) = parse(&body) {
            prop_assert_eq!(points, alone.concat());
        }
    }
}
