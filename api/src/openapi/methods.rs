//! The methods that every path has besides those that its handlers describe.

use utoipa::IntoResponses as _;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter};
use utoipa::openapi::{PathItem, RefOr, Responses};

use crate::openapi::{parameters, responses, tags};

/// Adds HEAD where there is GET, OPTIONS, and the parameters that every request may have.
pub fn complete(item: &mut PathItem) {
    let described = [&item.get, &item.post, &item.delete].into_iter().flatten().next();
    let id = described.and_then(|operation| operation.operation_id.clone()).unwrap_or_default();
    let parameters = described.and_then(|operation| operation.parameters.clone()).unwrap_or_default();
    item.options = Some(options(&id, parameters));
    item.head = item.get.as_ref().map(head);
    item.parameters = Some(parameters::of_every_request());
}

/// GET without the body.
fn head(get: &Operation) -> Operation {
    let mut head = get.clone();
    head.tags = Some(vec![tags::OTHER_METHODS.to_owned()]);
    head.summary = Some("The headers of GET".to_owned());
    head.description = None;
    head.operation_id = get.operation_id.as_ref().map(|id| format!("{id}Head"));
    let without_body = get
        .responses
        .responses
        .iter()
        .map(|(status, response)| (status.clone(), responses::without_body(response)));
    head.responses = without_body.collect();
    head
}

/// Lists the methods, which are those of any value in the path.
fn options(id: &str, parameters: Vec<RefOr<Parameter>>) -> Operation {
    let mut options = OperationBuilder::new()
        .tag(tags::OTHER_METHODS)
        .summary(Some("The methods of the path"))
        .operation_id(Some(format!("{id}Options")))
        .responses(responses::AllowedMethods::responses().into_iter().collect::<Responses>())
        .securities(Some(parameters::no_login()))
        .build();
    options.parameters = Some(parameters.into_iter().filter_map(parameters::any_in_path).collect());
    options
}
