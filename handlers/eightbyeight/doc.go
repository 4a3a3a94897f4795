// Package eightbyeight lists the event types of 8x8 Event Streaming: for each
// one a constant with its name and a struct for its payload.
//
//	app.Handle(eightbyeight.TypeInteractionCreated, handlers.Typed(
//		func(ctx context.Context, e *eightbyeight.InteractionCreated) error {
//			return crm.Ring(ctx, e.AttachedData.Text(eightbyeight.KeyPhoneNum))
//		}))
//
// A struct decodes the body that 8x8 wraps in one object, as in
// {"Interaction":{...}}, and the flat one that some of its pages show.
//
// # Values
//
// 8x8 takes the quotes off a value that looks like a number or a boolean, value
// by value: a caller named 007 comes as "007", one named 42 as a number. No
// field therefore has a Go type that could refuse a value. Text, Number, Bool,
// Seconds, Millis, Nanos and Elapsed are strings that hold what came, digit by
// digit and without quotes, "" when nothing did; their methods say what it
// means, or that it means nothing. One odd value costs that field and never
// the event. What was an object or an array stands there as its JSON.
//
// Names of types, states and reasons are open sets: compare with the constants,
// and expect others. Do not expect the states in an order; the vendor's pages
// contradict one another there.
//
// An event of a type that is not listed can be decoded as Interaction, when it
// is about one, or as a struct of your own with these types as fields. What a
// struct leaves out is in the payload, which handlers.TypedEvent hands over.
//
// Sources: "Event Reference", "Field Reference" and "Message Format" at
// https://developer.8x8.com/actions-events/docs/streaming/overview, and
// "Legacy Streaming API Overview". Samples are published for nine of the
// types; the others have the fields that all of their kind have.
package eightbyeight
