//! The identifiers. Each has a type of its own, so that a user's id cannot be passed as a tenant's.
//!
//! All are version 7 UUIDs: they grow with time, so new rows are adjacent in their index.

use std::fmt;
use std::str::FromStr;

use bytes::BytesMut;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::{IsNull, Type, to_sql_checked};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            AsExpression, FromSqlRow, Serialize, Deserialize,
        )]
        #[diesel(sql_type = sql_types::Uuid)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, greater than all ids generated before it in this process.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The sixteen bytes, for keys and associated data.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            pub fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl FromSql<sql_types::Uuid, Pg> for $name {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                <Uuid as FromSql<sql_types::Uuid, Pg>>::from_sql(value).map(Self)
            }
        }

        impl ToSql<sql_types::Uuid, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                <Uuid as ToSql<sql_types::Uuid, Pg>>::to_sql(&self.0, out)
            }
        }

        impl<'a> tokio_postgres::types::FromSql<'a> for $name {
            fn from_sql(
                sql_type: &Type,
                raw: &'a [u8],
            ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
                <Uuid as tokio_postgres::types::FromSql>::from_sql(sql_type, raw).map(Self)
            }

            fn accepts(sql_type: &Type) -> bool {
                <Uuid as tokio_postgres::types::FromSql>::accepts(sql_type)
            }
        }

        impl tokio_postgres::types::ToSql for $name {
            fn to_sql(
                &self,
                sql_type: &Type,
                out: &mut BytesMut,
            ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
                tokio_postgres::types::ToSql::to_sql(&self.0, sql_type, out)
            }

            fn accepts(sql_type: &Type) -> bool {
                <Uuid as tokio_postgres::types::ToSql>::accepts(sql_type)
            }

            to_sql_checked!();
        }
    };
}

id! {
    /// A tenant: one school or district with its own users, groups and imports.
    TenantId
}
id! {
    /// A user of a tenant.
    UserId
}
id! {
    /// A presentation, library or system group of a tenant.
    GroupId
}
id! {
    /// An import token of a tenant.
    TokenId
}
id! {
    /// An import: one accepted upload and its result.
    ImportId
}
