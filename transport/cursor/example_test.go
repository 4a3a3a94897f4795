package cursor_test

import (
	"context"
	"fmt"

	"github.com/eventdelivery/eds-go/transport/cursor"
)

// A reader settles out of order, and its place is the last id below which
// nothing is open.
func Example() {
	ctx := context.Background()
	store := cursor.NewMemory() // or OpenFile, or rediscursor.New
	position, err := store.Load(ctx, "reader")
	if err != nil {
		fmt.Println(err)
		return
	}
	saver := cursor.NewSaver(store, "reader", 0, nil)
	mark := cursor.NewMark(position, saver.Advance)

	for _, id := range []string{"m1", "m2", "m3"} {
		mark.Arrived(id)
	}
	mark.Settle("m1")
	mark.Settle("m3") // m2 is still in work
	fmt.Println("reconnect after", mark.Rewind())
	again, _ := mark.Arrived("m2")
	done, _ := mark.Arrived("m3")
	fmt.Println("m2 is", again, "and m3 is", done)
	mark.Settle("m2")

	if err := saver.Close(ctx); err != nil {
		fmt.Println(err)
	}
	position, _ = store.Load(ctx, "reader")
	fmt.Println("restart after", position)
	// Output:
	// reconnect after m1
	// m2 is open and m3 is settled
	// restart after m3
}
