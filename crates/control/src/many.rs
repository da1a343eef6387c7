//! Several commands of a kind as one: all of them happen, or none.

use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::run::{Command, Cx};

/// Commands in the order in which they are done; the reply has theirs.
#[derive(Debug, Clone, Serialize)]
pub struct Many<C>(pub Vec<C>);

impl<C: Command> Command for Many<C> {
    type Reply = Vec<C::Reply>;
    const NAME: &'static str = C::NAME;
    const PLACES: bool = C::PLACES;
    const CHANGES_RIGHTS: bool = C::CHANGES_RIGHTS;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let each = self.0.iter().map(|command| command.targets(tx, cx)).collect::<Result<Vec<_>, _>>()?;
        Ok(each.concat())
    }

    fn authorize(&self, tx: &Tx<'_>, cx: &Cx<'_>, _: &[Target]) -> Result<(), Failure> {
        self.0.iter().try_for_each(|command| command.authorize(tx, cx, &command.targets(tx, cx)?))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<C::Reply>, Failure> {
        self.0.iter().map(|command| command.apply(tx, cx)).collect()
    }
}
