//! SQL written by hand that the server prepares once for each connection.
//!
//! [`diesel::sql_query`] cannot know that its text is always the same, and has it prepared with each call: one more
//! round trip, and one more parse, for every statement of every chunk. Here the text is a constant of the program.

use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Untyped};

/// A statement with the values of its `$1`, `$2`, ….
#[derive(Debug, Clone)]
#[must_use = "a statement does nothing until it is executed or loaded"]
pub struct Statement<Values> {
    sql: &'static str,
    values: Values,
}

/// A statement without values yet.
pub fn statement(sql: &'static str) -> Statement<()> {
    Statement { sql, values: () }
}

impl<Values> Statement<Values> {
    /// Gives the next of `$1`, `$2`, … this value, as the SQL type `Type`.
    pub fn bind<Type, Value>(self, value: Value) -> Statement<(Values, Bound<Type, Value>)> {
        Statement { sql: self.sql, values: (self.values, Bound { value, sql_type: PhantomData }) }
    }
}

/// A value and its SQL type.
#[derive(Debug, Clone)]
pub struct Bound<Type, Value> {
    value: Value,
    sql_type: PhantomData<Type>,
}

/// The values of a statement.
pub trait Bind {
    /// Hands them over, the first first.
    fn bind<'b>(&'b self, pass: AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

impl Bind for () {
    fn bind<'b>(&'b self, _: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        Ok(())
    }
}

impl<Before: Bind, Type, Value> Bind for (Before, Bound<Type, Value>)
where
    Pg: HasSqlType<Type>,
    Value: ToSql<Type, Pg>,
{
    fn bind<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.bind(pass.reborrow())?;
        pass.push_bind_param_value_only::<Type, Value>(&self.1.value)
    }
}

impl<Values: Bind> QueryFragment<Pg> for Statement<Values> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql(self.sql);
        self.values.bind(pass)
    }
}

// Found among the prepared statements by its text.
impl<Values> QueryId for Statement<Values> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Values> Query for Statement<Values> {
    type SqlType = Untyped;
}
