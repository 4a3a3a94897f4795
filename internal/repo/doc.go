// Package repo holds the rules of this repository as tests: which package may
// import which, that each has one package comment, that each dependency has
// its reason in docs/decisions.md, that tests do not sleep, and that the code
// in the documents compiles. It has no code that anybody imports.
//
// A rule is a function from files to complaints, so that a second test can
// show on a few made-up files that the rule catches what it is there for.
package repo
