//! One table of a board file while it is read: looks up keys, and turns what is wrong into a [`BoardError`].

use crate::BoardError;
use crate::error::nearest;
use crate::key::{Key, Value, show, show_name};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file being read; turns byte offsets into line numbers.
pub(crate) struct File<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

impl File<'_> {
    /// Line of a byte offset, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|&b| b == b'\n').count()
    }

    pub(crate) fn value_error(&self, key: &str, value: &Spanned<DeValue<'_>>, accepted: String) -> BoardError {
        BoardError::Value {
            file: self.name.into(),
            line: Some(self.line(value.span().start)),
            key: key.to_owned(),
            value: show(value.get_ref()),
            accepted,
        }
    }
}

/// One table of the file; a table that is not there reads as an empty one.
pub(crate) struct Section<'a> {
    pub file: &'a File<'a>,
    /// Dotted path, empty for the whole file.
    path: String,
    /// As a reader would write its head, for example `[camera]`.
    place: String,
    line: Option<usize>,
    table: Option<&'a DeTable<'a>>,
}

impl<'a> Section<'a> {
    pub(crate) fn whole(file: &'a File<'a>, table: &'a DeTable<'a>) -> Self {
        Section { file, path: String::new(), place: "this file".to_owned(), line: None, table: Some(table) }
    }

    /// The table `[name]` of this one.
    ///
    /// # Errors
    /// When `name` is set to something that is no table.
    pub(crate) fn table(&self, name: &str) -> Result<Section<'a>, BoardError> {
        let mut section = Section {
            file: self.file,
            path: self.path_of(name),
            place: format!("[{}]", self.path_of(name)),
            line: None,
            table: None,
        };
        if let Some(value) = self.value(name) {
            let accepted = || format!("a table: [{name}] on a line of its own, with its keys below");
            let table = value.get_ref().as_table();
            section.table = Some(table.ok_or_else(|| self.file.value_error(name, value, accepted()))?);
            section.line = Some(self.file.line(value.span().start));
        }
        Ok(section)
    }

    /// The tables `[[name]]` of this one, at most `max`.
    ///
    /// # Errors
    /// When `name` is set to something else, or to too many.
    pub(crate) fn tables(&self, name: &str, max: usize) -> Result<Vec<Section<'a>>, BoardError> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let error = |value| {
            let accepted = format!("1 to {max} tables: [[{name}]] on a line of its own, with the keys of each below");
            self.file.value_error(name, value, accepted)
        };
        let list = value.get_ref().as_array().ok_or_else(|| error(value))?;
        if list.is_empty() || list.len() > max {
            return Err(error(value));
        }
        let section = |(i, item): (usize, &'a Spanned<DeValue<'a>>)| {
            Ok(Section {
                file: self.file,
                path: format!("{name}[{i}]"),
                place: format!("[[{name}]]"),
                line: Some(self.file.line(item.span().start)),
                table: Some(item.get_ref().as_table().ok_or_else(|| error(item))?),
            })
        };
        list.iter().enumerate().map(section).collect()
    }

    /// Checks that nothing stands here but `names`; `elsewhere` says where an unknown name would be right.
    ///
    /// # Errors
    /// The first unknown key in the file's order.
    pub(crate) fn only(&self, names: &[&str], elsewhere: impl Fn(&str) -> Option<String>) -> Result<(), BoardError> {
        let keys = self.table.into_iter().flat_map(|table| table.iter());
        let unknown = keys.filter(|(key, _)| !names.contains(&key.get_ref().as_ref()));
        let Some((key, value)) = unknown.min_by_key(|(key, _)| key.span().start) else { return Ok(()) };
        let name: &str = key.get_ref();
        Err(BoardError::UnknownKey {
            file: self.file.name.into(),
            line: self.file.line(key.span().start),
            key: self.path_of(&show_name(name)),
            // It may be the password itself, and errors end up in logs.
            value: if name.contains("password") { "\"...\"".to_owned() } else { show(value.get_ref()) },
            suggestion: elsewhere(name).or_else(|| nearest(name, names.iter().copied())),
            accepted: format!("{}: {}", self.place, names.join(", ")),
        })
    }

    /// The value of `key`, or its default.
    ///
    /// # Errors
    /// When it is not accepted, or is missing and has no default.
    pub(crate) fn take<T: Value>(&self, key: &Key, default: Option<T>) -> Result<T, BoardError> {
        match self.value(key.name) {
            Some(value) => {
                let error = || self.file.value_error(&self.path_of(key.name), value, key.accepts.describe());
                T::from_toml(value.get_ref(), &key.accepts).ok_or_else(error)
            }
            None => default.ok_or_else(|| BoardError::MissingKey {
                file: self.file.name.into(),
                line: self.line,
                key: self.path_of(key.name),
                accepted: key.accepts.describe(),
            }),
        }
    }

    /// An error about a value that is fine by itself but not beside another key's.
    pub(crate) fn conflict(&self, name: &str, value: &impl Value, accepted: String) -> BoardError {
        BoardError::Value {
            file: self.file.name.into(),
            line: self.value(name).map(|v| self.file.line(v.span().start)).or(self.line),
            key: self.path_of(name),
            value: value.to_toml(),
            accepted,
        }
    }

    fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.and_then(|table| table.get(name))
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
