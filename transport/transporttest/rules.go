package transporttest

// rule is one thing that a transport must do.
type rule struct {
	name  string
	says  string
	needs func(Features) string // names a missing feature, or ""
	check func(*client) error
}

func always(Features) string { return "" }

var rules = []rule{
	{"event_arrives_whole", "an event arrives with its id, type, time and payload as they were published", always, arrivesWhole},
	{"odd_payloads", "a payload arrives byte for byte, whatever JSON it is and however large", always, oddPayloads},
	{"order", "events arrive in the order of their publication", needsOrder, inOrder},
	{"ack_is_final", "an acknowledged event does not come again, on this connection nor on the next", always, ackIsFinal},
	{"ack_waits_for_nobody", "an acknowledgement goes out though nothing is received meanwhile", always, ackWaitsForNobody},
	{"ack_beside_receive", "deliveries may be acknowledged from many goroutines beside Receive", always, ackBesideReceive},
	{"unacked_comes_again", "an event that was not acknowledged comes again after the redelivery time", needsRedelivery, unackedComesAgain},
	{"unacked_survives_reconnect", "an event that was not acknowledged comes again on the next connection", always, unackedSurvives},
	{"nack_comes_again", "an event that was given back comes again soon, and can be acknowledged then", needsNack, nackComesAgain},
	{"reconnects", "after a lost connection Receive goes on with events published meanwhile", always, reconnects},
	{"receipt_ends_with_connection", "Ack of a delivery from a lost connection sends nothing and returns ErrReceiptLost", needsBound, receiptEnds},
	{"cancelled_receive", "Receive returns ctx's error when ctx ends, and the transport goes on to work", always, cancelledReceive},
	{"unreadable", "what has a receipt but is no event arrives as a Delivery with Err, and can be acknowledged", always, unreadable},
	{"close_flushes", "Close sends the acknowledgements made just before", always, closeFlushes},
	{"closed", "after Close nothing is received, and settling returns instead of blocking or panicking", always, closed},
	{"status", "Status follows the connection", always, status},
	{"through_an_app", "an App handles every event once and acknowledges it", always, throughAnApp},
}

func needsOrder(f Features) string { return unless(f.Ordered, "Ordered") }
func needsNack(f Features) string  { return unless(f.Nack, "Nack") }
func needsBound(f Features) string { return unless(f.BoundReceipts, "BoundReceipts") }
func needsRedelivery(f Features) string {
	return unless(f.Redelivery > 0, "Redelivery")
}

func unless(ok bool, name string) string {
	if ok {
		return ""
	}
	return name
}
