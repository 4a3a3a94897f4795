// Package jsonl keeps events in a file, one CloudEvents 1.0 JSON object a
// line. Use it for dead letters, for a record of what came in, or as an inbox
// for a program that reads files:
//
//	letters, err := jsonl.Open("dead-letters.jsonl", jsonl.RotateAt(64<<20))
//	...
//	defer letters.Close()
//	app.Use(middleware.DeadLetter(letters.Handle))
//
// [Read] and [ReadAll] give the events back as they were.
package jsonl
