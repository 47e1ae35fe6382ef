//! Workday: every element of the rows that the WSDL documents is mapped, or left out for a reason that is listed here.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::fixtures::read;

/// The mapped elements, by type of the row.
const MAPPED: [(&str, &[&str]); 8] = [
    ("JobRequisitionType", &["Job_Requisition_Reference", "Job_Requisition_Data"]),
    (
        "JobRequisitionData2Type",
        &[
            "Job_Requisition_Status_Reference",
            "Job_Requisition_Detail_Data",
            "Hiring_Requirement_Data",
            "Supervisory_Organization_Reference",
        ],
    ),
    ("CandidateType", &["Candidate_Reference", "Candidate_Data"]),
    ("CandidateDataType", &["Name_Data", "Contact_Data", "Status_Data", "Job_Application_Data"]),
    ("CandidateNameDataType", &["First_Name", "Last_Name"]),
    ("CandidateContactDataType", &["Phone_Number", "Email_Address"]),
    ("JobApplicationDataType", &["Job_Applied_To_Data"]),
    (
        "CandidateJobAppliedToDataType",
        &[
            "Job_Application_Reference",
            "Job_Requisition_Reference",
            "Job_Application_Date",
            "Stage_Reference",
            "Disposition_Reference",
        ],
    ),
];

/// The elements that are left out, with the reasons.
const LEFT_OUT: [(&str, &[(&str, &str)]); 6] = [
    (
        "JobRequisitionData2Type",
        &[
            ("Job_Requisition_Attachments", "files; not asked for"),
            ("Qualification_Data", "what is asked of applicants; no record has it"),
            ("Position_Data", "references to positions, without a state"),
            ("Questionnaire_Reference", "questions to applicants; no record has them"),
            ("Assessment_Data", "tests of applicants; no record has them"),
            ("Integration_Field_Override_Data", "fields of the tenant's own"),
            ("Organization_Data", "cost centres and the like; the department is the supervisory organisation"),
            ("Role_Assignment_Data", "who looks after it; no record has it"),
        ],
    ),
    (
        "CandidateDataType",
        &[
            ("Candidate_ID", "the business id; a WID is what never changes"),
            ("Pre-Hire_Reference", "a person in another module"),
            ("Worker_Reference", "a person in another module"),
            ("Social_Media_Account_Data", "no record has it"),
            ("Prospect_Data", "no record has it"),
            ("Candidate_Identification_Data", "national ids: not ours to keep"),
            ("Language_Reference", "no record has it"),
            ("Candidate_Tag_Reference", "no record has it"),
            ("Candidate_Pool_Data", "no record has it"),
        ],
    ),
    (
        "CandidateNameDataType",
        &[
            ("Middle_Name", "the name is first and last"),
            ("Secondary_Last_Name", "the name is first and last"),
            ("Local_Person_Name", "the same name in another script"),
        ],
    ),
    (
        "CandidateContactDataType",
        &[
            ("Country_Phone_Code_Reference", "the number stands as it was given"),
            ("Phone_Extension", "no record has it"),
            ("Website_Data", "no record has it"),
            ("Location_Data", "a home address: not ours to keep"),
        ],
    ),
    (
        "JobApplicationDataType",
        &[
            ("Resume_Attachment_Data", "files; asked to be left out"),
            ("Resume_Data", "what a person wrote of the past; title and company would be a guess"),
        ],
    ),
    (
        "CandidateJobAppliedToDataType",
        &[
            ("Workflow_Step_Reference", "the stage in the words of the process"),
            ("Status_Timestamp", "of the last change only; the version is the time as of which the row is"),
            ("Source_Reference", "where an applicant comes from; no record has it"),
            ("Referred_By_Worker_Reference", "no record has it"),
            ("Added_By_Worker_Reference", "no record has it"),
            ("Personal_Information_Data", "age, origin and the like: not ours to keep"),
            ("Global_Personal_Information_Data", "age, origin and the like: not ours to keep"),
        ],
    ),
];

#[test]
fn every_documented_element_of_a_row_is_mapped_or_listed() {
    let Some(shapes) = read("ats/workday_recruiting_v31_2_shapes.json") else {
        println!("FIXTURES is not set: the shapes of Workday are not looked at");
        return;
    };
    let left_out: BTreeMap<&str, &[(&str, &str)]> = LEFT_OUT.into_iter().collect();
    for (name, mapped) in MAPPED {
        let fields = shapes["types"][name]["fields"].as_array().expect("fields");
        let documented: BTreeSet<&str> = fields.iter().filter_map(|field| field["el"].as_str()).collect();
        let dropped = left_out.get(name).copied().unwrap_or_default();
        assert!(dropped.iter().all(|(_, reason)| !reason.is_empty()));
        let listed: BTreeSet<&str> = mapped.iter().copied().chain(dropped.iter().map(|(field, _)| *field)).collect();
        assert_eq!(documented, listed, "{name}");
        assert_eq!(listed.len(), mapped.len() + dropped.len(), "{name}: nothing is in both");
    }
}
