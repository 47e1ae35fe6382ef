//! Words from which chance makes people and jobs in every world: with accents, apostrophes, spaces and signs that HTML and XML
//! escape, because clients get those wrong.

/// A name as it may stand in an address.
pub fn ascii(name: &str) -> String {
    name.to_lowercase().chars().filter(char::is_ascii_lowercase).collect()
}

#[rustfmt::skip]
pub const FIRST_NAMES: [&str; 28] = [
    "Amara", "Tomás", "Ingrid", "Kofi", "Yuki", "Leila", "Marek", "Priya", "Siobhán", "Dmitri", "Chiara", "Noah", "Zanele", "Elif",
    "Mateo", "Hanna", "Ravi", "Aoife", "Björn", "Camille", "Farid", "Grace", "Haruto", "Ioana", "Renée", "Thabo", "Zoë", "Åsa",
];
#[rustfmt::skip]
pub const LAST_NAMES: [&str; 28] = [
    "Okafor", "Ferreira", "Lindqvist", "Mensah", "Tanaka", "Haddad", "Kowalski", "Raman", "O'Byrne", "Volkov", "Bianchi",
    "Whitfield", "Dlamini", "Yılmaz", "Rojas", "Koskinen", "Patel", "Gallagher", "Nyström", "Dubois", "Rahimi", "Adeyemi",
    "Popescu", "Le Gall", "Trần", "Sørensen", "O'Neill & Sons", "Marchetti <wait>",
];
#[rustfmt::skip]
pub const TITLES: [&str; 18] = [
    "Backend Engineer", "Data Analyst", "Account Manager <EMEA>", "Product Designer", "Support Specialist", "R&D Chemist",
    "Site Reliability Engineer", "Office Manager", "Payroll Specialist", "QA Engineer", "People Partner", "Technical Writer",
    "Ingénieur réseau", "Field Technician", "Machine Learning Engineer", "Recruiting Coordinator", "Frontend Developer",
    "Solutions Architect",
];
/// Employers; the last one is empty.
#[rustfmt::skip]
pub const COMPANIES: [&str; 10] = [
    "Hooli", "Initech", "Vandelay <Industries>", "Wonka & Sons", "Ærø Værft", "Larch & Pine Ltd.", "Northwind",
    "Młyn sp. z o.o.", "Harbour Labs", "",
];
