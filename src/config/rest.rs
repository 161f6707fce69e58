//! Settings: the REST calls of the replaced application.

use clap::Args;

use super::value::{Checked, parsed};
use crate::server::rest::{Envelope, Options, RestPath};

const REST: &str = "REST";

/// The REST calls of the replaced application.
#[derive(Args, Clone, Debug)]
pub struct RestSettings {
    /// `REST_API`, default `success`: the form of REST answers, `success` or `code`; `off`: no REST
    ///
    /// `success`: `{"success": true, "data": …, "message": …}`, as in the manual of the replaced application. `code`:
    /// `{"code": 1000, "message": …, "result": …}`, as in its code.
    #[arg(long, env, value_name = "FORM", help_heading = REST, default_value = "success", value_parser = Checked(form))]
    rest_api: Form,

    /// `REST_PATH`, default `/v1/gallery`: the path of the REST calls
    #[arg(long, env, value_name = "PATH", help_heading = REST, default_value = "/v1/gallery",
        value_parser = Checked(parsed::<RestPath>))]
    rest_path: RestPath,
}

/// A setting of three values, of which one is none.
#[derive(Clone, Copy, Debug)]
struct Form(Option<Envelope>);

fn form(value: &str) -> Result<Form, String> {
    match value {
        "off" => Ok(Form(None)),
        "success" => Ok(Form(Some(Envelope::Success))),
        "code" => Ok(Form(Some(Envelope::Code))),
        _ => Err("is not `off`, `code` or `success`".to_owned()),
    }
}

impl RestSettings {
    /// How REST is served, if it is.
    pub fn options(&self) -> Option<Options> {
        let envelope = self.rest_api.0?;
        Some(Options {
            envelope,
            path: self.rest_path.clone(),
        })
    }
}
