//! Where in the parameters a decoder is, kept on the stack so that only an error costs a string.

use std::fmt;

/// The way from the root to one parameter; shown as the vendors write it, `DataDisk.2.Size`.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Name(&'a str),
    Index(u32),
}

impl<'a> Path<'a> {
    /// The root, shown as nothing.
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    /// The member of this name below here.
    pub fn name(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Name(name) }
    }

    /// The list item of this index, as the client counted it, below here.
    pub fn index(&'a self, index: u32) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if !matches!(parent.step, Step::Root) {
                f.write_str(".")?;
            }
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Name(name) => f.write_str(name),
            Step::Index(index) => write!(f, "{index}"),
        }
    }
}
