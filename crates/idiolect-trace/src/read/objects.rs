//! JSON objects one after another: one a line, or spread over lines, or in an array.
//!
//! Nesting is bounded by what reads the objects (128 levels, serde_json), their size by the bound on a line.

/// Cuts lines into objects.
#[derive(Debug)]
pub(crate) struct Objects {
    /// The beginning of an object that goes on on the next line.
    held: Vec<u8>,
    scan: Scan,
    limit: usize,
}

/// Where the scan of an object stands.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

/// What a line was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// An object, whole.
    Object(Vec<u8>),
    /// Something that is no object, or an object that is too long or never ends.
    Bad(&'a [u8]),
}

impl Objects {
    /// Objects of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Objects {
            held: Vec::new(),
            scan: Scan::default(),
            limit,
        }
    }

    /// Takes a line and gives each piece of it that has ended.
    pub(crate) fn line<'a>(&mut self, line: &'a [u8], mut piece: impl FnMut(Piece<'a>)) {
        // What begins at the left is a new object: those that are spread over lines are indented.
        if self.scan.depth > 0 && line.first() == Some(&b'{') && !self.held.is_empty() {
            self.drop_held();
            piece(Piece::Bad(line));
        }
        let mut from = 0;
        for (at, byte) in line.iter().enumerate() {
            if self.scan.depth == 0 {
                match byte {
                    b'{' => {
                        self.scan.depth = 1;
                        from = at;
                    }
                    b',' | b'[' | b']' | b' ' | b'\t' | b'\r' | 0x1e => {}
                    _ => {
                        piece(Piece::Bad(&line[at..]));
                        return;
                    }
                }
                continue;
            }
            self.scan.step(*byte);
            if self.scan.depth == 0 {
                let mut object = std::mem::take(&mut self.held);
                object.extend_from_slice(&line[from..=at]);
                piece(Piece::Object(object));
                from = at + 1;
            }
        }
        if self.scan.depth == 0 {
            return;
        }
        if self.held.len() + line.len() - from > self.limit {
            self.drop_held();
            piece(Piece::Bad(line));
            return;
        }
        self.held.extend_from_slice(&line[from..]);
        self.held.push(b'\n');
    }

    /// The beginning of an object that never ended.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        let held = std::mem::take(&mut self.held);
        self.scan = Scan::default();
        (!held.is_empty()).then_some(held)
    }

    fn drop_held(&mut self) {
        self.held = Vec::new();
        self.scan = Scan::default();
    }
}

impl Scan {
    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str, limit: usize) -> (Vec<String>, usize) {
        let mut objects = Objects::new(limit);
        let (mut good, mut bad) = (Vec::new(), 0);
        for line in text.lines() {
            objects.line(line.as_bytes(), |piece| match piece {
                Piece::Object(object) => good.push(String::from_utf8_lossy(&object).into_owned()),
                Piece::Bad(_) => bad += 1,
            });
        }
        bad += usize::from(objects.rest().is_some());
        (good, bad)
    }

    #[test]
    fn objects_however_they_are_laid_out() {
        for text in [
            "{\"a\":1}\n{\"a\":{\"}\":2}}",
            "[{\"a\":1},{\"a\":{\"}\":2}}]",
            "[\n  {\"a\":1},\n  {\"a\":{\"}\":2}}\n]\n",
        ] {
            assert_eq!(
                split(text, 100).0,
                ["{\"a\":1}", "{\"a\":{\"}\":2}}"],
                "{text}"
            );
        }
        let spread = "{\n \"a\": \"\\\"{\"\n}\n";
        assert_eq!(
            split(spread, 100),
            (vec!["{\n \"a\": \"\\\"{\"\n}".to_owned()], 0)
        );
    }

    #[test]
    fn what_is_no_object_is_told() {
        assert_eq!(
            split("x\n{\"a\":1}\n", 100),
            (vec!["{\"a\":1}".to_owned()], 1)
        );
        // Cut off, and then a new one.
        assert_eq!(
            split("{\"a\": [1,\n{\"b\":2}\n", 100),
            (vec!["{\"b\":2}".to_owned()], 1)
        );
        assert_eq!(split("{\n \"a\": 1,\n", 100).1, 1);
        assert_eq!(split("{\n \"a\": 1,\n \"b\": 2\n}\n", 8).0.len(), 0);
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "[{}\\[\\]\",\\\\a\n ]{0,200}") {
            let (good, _) = split(&text, 50);
            for object in good {
                prop_assert_eq!(object.as_bytes()[0], b'{');
            }
        }
    }
}
