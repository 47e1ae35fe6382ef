//! The SOAP messages: the envelope, an operation's request, the faults and the pages of a list.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, civil::DateTime, tz::Offset};

use super::{
    data::HISTORY_MS,
    tenant::State,
    xml::{self, BSVC, Element, Writer},
};

/// Why there is no answer to an operation.
#[derive(Debug)]
pub enum Fault {
    /// Wrong user or password.
    Authentication,
    /// Something in the request is wrong: what, and where.
    Validation(String, String),
    /// The request cannot be done.
    Processing(String),
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut detail = Writer::default();
        let (code, said) = match &self {
            Self::Authentication => ("Client.authenticationError", "invalid username or password".to_owned()),
            Self::Validation(message, xpath) => {
                detail.within("Validation_Fault", |writer| {
                    writer.within("Validation_Error", |writer| {
                        writer.leaf("Message", message);
                        writer.leaf("Detail_Message", message);
                        writer.leaf("Xpath", xpath);
                    });
                });
                ("Client.validationError", format!("Validation error occurred. {message}"))
            }
            Self::Processing(message) => {
                detail.within("Processing_Fault", |writer| writer.leaf("Detail_Message", message));
                ("Server.processingError", format!("Processing error occurred. {message}"))
            }
        };
        let detail = detail.done();
        let detail = if detail.is_empty() { detail } else { format!("<detail>{detail}</detail>") };
        let said = quick_xml::escape::escape(said.as_str());
        let body = format!(
            "<SOAP-ENV:Fault xmlns:SOAP-ENV=\"{soap}\" xmlns:wd=\"{BSVC}\"><faultcode>SOAP-ENV:{code}</faultcode>\
             <faultstring>{said}</faultstring>{detail}</SOAP-ENV:Fault>",
            soap = xml::SOAP
        );
        enveloped(StatusCode::INTERNAL_SERVER_ERROR, "SOAP-ENV", &body)
    }
}

/// A message with this body.
pub fn enveloped(status: StatusCode, prefix: &str, body: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{prefix}:Envelope xmlns:{prefix}=\"{soap}\"><{prefix}:Body>{body}\
         </{prefix}:Body></{prefix}:Envelope>",
        soap = xml::SOAP
    );
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"))], text).into_response()
}

/// One operation: what was operation and of whom.
pub struct Operation<'a> {
    pub state: &'a mut State,
    /// The element in the body.
    pub request: &'a Element,
    /// The version in the path.
    pub version: &'a str,
}

impl Operation<'_> {
    /// A place in the request, as the faults name it.
    pub fn place(&self, names: &[&str]) -> String {
        let first = self.request.name.as_str();
        std::iter::once(first).chain(names.iter().copied()).map(|name| format!("/bsvc:{name}[1]")).collect()
    }

    /// A fault at such a place.
    pub fn wrong(&self, names: &[&str], message: &str) -> Fault {
        Fault::Validation(message.to_owned(), self.place(names))
    }

    /// Refuses elements that the documentation does not have there, and those that are not stood in for here.
    ///
    /// # Errors
    /// The fault that names the first of them.
    pub fn only(&self, names: &[&str], known: &[&str], not_here: &[&str]) -> Result<(), Fault> {
        let Some(element) = self.request.at(names) else { return Ok(()) };
        for child in &element.children {
            if not_here.contains(&child.name.as_str()) {
                return Err(Fault::Processing(format!("{} is not simulated", child.name)));
            }
            if child.namespace != BSVC || !known.contains(&child.name.as_str()) {
                return Err(self.wrong(names, &format!("Element '{}' is not expected.", child.name)));
            }
        }
        Ok(())
    }

    /// A time in the request; none when it is not there.
    ///
    /// # Errors
    /// When it is none.
    pub fn moment(&self, names: &[&str]) -> Result<Option<i64>, Fault> {
        let Some(text) = self.request.text_at(names) else { return Ok(None) };
        // Without an offset, a time is that of the tenant, which is at the Pacific Ocean in winter.
        let there = || text.parse::<DateTime>().ok().and_then(|at| pacific().to_timestamp(at).ok());
        let at = text.parse::<Timestamp>().ok().or_else(there);
        at.map(|at| Some(at.as_millisecond())).ok_or_else(|| self.wrong(names, &format!("'{text}' is not a dateTime.")))
    }

    fn whole(&self, names: &[&str], usual: usize, most: usize) -> Result<usize, Fault> {
        let Some(text) = self.request.text_at(names) else { return Ok(usual) };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| self.wrong(names, &format!("'{text}' is not a number from 1 to {most}.")))
    }

    /// Which page is asked for, as of when.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn filter(&mut self) -> Result<Filter, Fault> {
        const NAME: &str = "Response_Filter";
        self.only(&[NAME], &["As_Of_Effective_Date", "As_Of_Entry_DateTime", "Page", "Count"], &[])?;
        let now = self.state.settled_now();
        let as_of = self.moment(&[NAME, "As_Of_Entry_DateTime"])?.unwrap_or(now).min(now);
        if as_of < now - HISTORY_MS {
            return Err(self.wrong(&[NAME, "As_Of_Entry_DateTime"], "What was then is not known any more."));
        }
        let page = self.whole(&[NAME, "Page"], 1, usize::MAX)?;
        let count = self.whole(&[NAME, "Count"], 100, 999)?;
        Ok(Filter { as_of, page, count })
    }
}

/// The objects that references of this name mean; those that are not there may be skipped where the request says so.
///
/// # Errors
/// When one means none.
pub fn referred<T>(
    references: &Element,
    name: &str,
    one: impl Fn(&Element) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let skip = matches!(references.attribute("Skip_Non_Existing_Instances"), Some("true" | "1"));
    references.all(name).map(one).filter(|found| !skip || found.is_ok()).collect()
}

/// Which page of a list is asked for, as of when.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// What was entered by then is seen.
    pub as_of: i64,
    /// The number of the page, counted from 1.
    pub page: usize,
    /// Rows of a page.
    pub count: usize,
}

impl Filter {
    /// The rows of the page, and how many there are in all.
    pub fn rows<T>(&self, all: impl Iterator<Item = T>) -> (Vec<T>, usize) {
        let from = (self.page - 1).saturating_mul(self.count);
        let (mut rows, mut total) = (Vec::new(), 0);
        for row in all {
            if total >= from && rows.len() < self.count {
                rows.push(row);
            }
            total += 1;
        }
        (rows, total)
    }

    /// The answer with these rows.
    pub fn answer(
        &self,
        version: &str,
        name: &str,
        rows: usize,
        total: usize,
        fill: impl FnOnce(&mut Writer),
    ) -> String {
        responded(name, version, |writer| {
            writer.within("Response_Filter", |writer| {
                writer.leaf("As_Of_Effective_Date", time(self.as_of).get(..10).unwrap_or_default());
                writer.leaf("As_Of_Entry_DateTime", &time(self.as_of));
                writer.leaf("Page", &self.page.to_string());
                writer.leaf("Count", &self.count.to_string());
            });
            writer.within("Response_Results", |writer| {
                writer.leaf("Total_Results", &total.to_string());
                writer.leaf("Total_Pages", &total.div_ceil(self.count).to_string());
                writer.leaf("Page_Results", &rows.to_string());
                writer.leaf("Page", &self.page.to_string());
            });
            writer.within("Response_Data", fill);
        })
    }
}

fn pacific() -> Offset {
    Offset::constant(-8)
}

/// A time as the service writes it: with the offset of its data centre.
pub fn time(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default();
    at.to_zoned(pacific().to_time_zone()).strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string()
}

/// The element of an answer.
pub fn responded(name: &str, version: &str, fill: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::default();
    writer.within(&format!("{name} xmlns:wd=\"{BSVC}\" wd:version=\"{version}\""), fill);
    writer.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_offset_of_its_data_centre() {
        assert_eq!(time(1_795_000_000_123), "2026-11-18T03:06:40.123-08:00");
    }
}
