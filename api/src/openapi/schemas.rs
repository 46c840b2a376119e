//! The bodies of requests and responses that no type of the code describes: the result is written as text, and a form is
//! read as bytes.

use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, SchemaFormat};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::imports::readiness::Readiness;
use crate::imports::response::{JobPage, Pending};

/// The schemas of the document, by name.
pub fn all() -> Vec<(String, RefOr<Schema>)> {
    let mut all = Vec::new();
    add::<ImportResult>(&mut all);
    add::<Failure>(&mut all);
    add::<UploadForm>(&mut all);
    add::<Pending>(&mut all);
    add::<JobPage>(&mut all);
    add::<Alive>(&mut all);
    add::<Readiness>(&mut all);
    all
}

fn add<T: ToSchema>(all: &mut Vec<(String, RefOr<Schema>)>) {
    all.push((T::name().into_owned(), T::schema()));
    T::schemas(all);
}

/// What [`rollcall_schema::imports::result_json`] writes.
pub struct ImportResult;

impl ToSchema for ImportResult {}

impl PartialSchema for ImportResult {
    fn schema() -> RefOr<Schema> {
        let number = text().pattern(Some("^[1-9][0-9]*$"));
        let outcome = text().description(Some(
            "`User Created`, `User Updated`, or all problems of the row, `User failed to import: `, and all problems again.",
        ));
        let details = ObjectBuilder::new()
            .description(Some(
                "Only where a row failed, and then every row: its number, counted from 1 without the header, and its outcome.",
            ))
            .property_names(Some(Schema::Object(number.build())))
            .additional_properties(Some(Schema::Object(outcome.build())));
        closed("The result of an import.")
            .property("success", boolean("Whether no row failed."))
            .required("success")
            .property(
                "summary",
                text().description(Some("How many rows did what, or why the import could not run.")),
            )
            .required("summary")
            .property("details", details)
            .examples([json!({
                "success": true,
                "summary": "2 users processed. 1 user created. 1 user updated. 0 users failed.",
            })])
            .into()
    }
}

/// What [`rollcall_schema::imports::result_json::failure`] writes.
pub struct Failure;

impl ToSchema for Failure {}

impl PartialSchema for Failure {
    fn schema() -> RefOr<Schema> {
        let summary = text().min_length(Some(1)).description(Some("What is wrong, and how to fix it."));
        closed("A request that failed, or an import that could not run at all.")
            .property("success", boolean("Always false.").enum_values(Some([false])))
            .required("success")
            .property("summary", summary)
            .required("summary")
            .examples([json!({ "success": false, "summary": "Unauthorised. Check credentials." })])
            .into()
    }
}

/// The form that a file is uploaded in.
pub struct UploadForm;

impl ToSchema for UploadForm {}

impl PartialSchema for UploadForm {
    fn schema() -> RefOr<Schema> {
        let file = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).description(Some(
            "The CSV file. The first part that has a file name counts, whatever its own name is.",
        ));
        ObjectBuilder::new().property("file", file).required("file").into()
    }
}

/// What `GET /health` answers.
pub struct Alive;

impl ToSchema for Alive {}

impl PartialSchema for Alive {
    fn schema() -> RefOr<Schema> {
        closed("The process lives.")
            .property("alive", boolean("Always true.").enum_values(Some([true])))
            .required("alive")
            .into()
    }
}

/// An object without other properties than those that it lists.
fn closed(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

fn boolean(description: &str) -> ObjectBuilder {
    ObjectBuilder::from(Object::with_type(Type::Boolean)).description(Some(description))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
