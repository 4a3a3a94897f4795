package faults

// Gaps are the faults of scope EDS that no test injects, each with its
// reason.
var Gaps = map[string]string{}
