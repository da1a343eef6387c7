//! A tree of metadata, and how its directories are listed: one child a line, those with children of their own with a slash.

use bytes::Bytes;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// Children in the order of their listing.
    Dir(Vec<Child>),
}

/// A child of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    name: String,
    /// How it is listed; none is not listed.
    label: Option<String>,
    node: Node,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Text, or a directory's listing.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Node {
    /// An empty directory.
    pub fn dir() -> Node {
        Node::Dir(Vec::new())
    }

    /// A text.
    pub fn text(text: impl ToString) -> Node {
        Node::Text(text.to_string())
    }

    /// Bytes.
    pub fn binary(bytes: impl Into<Bytes>) -> Node {
        Node::Binary(bytes.into())
    }

    /// With a child.
    pub fn with(self, name: impl ToString, node: Node) -> Node {
        let name = name.to_string();
        let label = match node {
            Node::Dir(_) => format!("{name}/"),
            Node::Text(_) | Node::Binary(_) => name.clone(),
        };
        self.labelled(name, Some(label), node)
    }

    /// With a child, when there is something to say.
    pub fn with_some(self, name: &str, text: Option<impl ToString>) -> Node {
        match text {
            Some(text) => self.with(name, Node::text(text)),
            None => self,
        }
    }

    /// With a child, when there is one.
    pub fn with_node(self, name: &str, node: Option<Node>) -> Node {
        match node {
            Some(node) => self.with(name, node),
            None => self,
        }
    }

    /// With a child that is not listed.
    pub fn hidden(self, name: &str, node: Node) -> Node {
        self.labelled(name.to_owned(), None, node)
    }

    /// With a child that is listed in its own way.
    pub fn labelled(self, name: String, label: Option<String>, node: Node) -> Node {
        match self {
            Node::Dir(mut children) => {
                children.push(Child { name, label, node });
                Node::Dir(children)
            }
            leaf @ (Node::Text(_) | Node::Binary(_)) => leaf,
        }
    }

    /// What a path leads to, its parts separated by slashes. A leaf takes no slash after it.
    pub fn find(&self, path: &str) -> Option<Found> {
        match self {
            Node::Text(text) => path.is_empty().then(|| Found::Text(Bytes::from(text.clone()))),
            Node::Binary(bytes) => path.is_empty().then(|| Found::Binary(bytes.clone())),
            Node::Dir(children) if path.is_empty() => {
                let lines: Vec<&str> = children.iter().filter_map(|child| child.label.as_deref()).collect();
                Some(Found::Text(Bytes::from(lines.join("\n"))))
            }
            Node::Dir(children) => {
                let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
                let child = children.iter().find(|child| child.name == first)?;
                match (&child.node, rest) {
                    (Node::Text(_) | Node::Binary(_), Some(_)) => None,
                    (node, rest) => node.find(rest.unwrap_or("")),
                }
            }
        }
    }
}
