package eightbyeight_test

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/handlers"
	. "github.com/eventdelivery/eds-go/handlers/eightbyeight"
	"github.com/eventdelivery/eds-go/internal/vcc"
)

func sample(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	guid  = "int-1963f541b9f-Qw3rTyUiOpAsDfGhJkLzXcVbN-phone-01-tenant01"
	agent = "agQw3rTyUiOpAsDfGhJkLz"
)

func unix(s int64) time.Time { return time.Unix(s, 0).UTC() }

// Strict refuses a member that the catalogue forgot.
func TestEverySampleDecodesWithNothingLeftOver(t *testing.T) {
	for _, name := range vcc.Types() {
		got := reflect.ValueOf(catalogue[name](t, sample(t, name), handlers.Strict())).Elem()
		if strings.HasPrefix(name, "Agent") {
			if id := got.FieldByName("AgentID").Interface(); id != Text(agent) {
				t.Errorf("%s: agent %q", name, id)
			}
			continue
		}
		if id := got.FieldByName("InteractionGUID").Interface(); id != Text(guid) {
			t.Errorf("%s: interaction %q", name, id)
		}
		if got.FieldByName("Event").Interface() != Text(name) {
			t.Errorf("%s: event %v", name, got.FieldByName("Event"))
		}
	}
}

func TestAgentStatusChange(t *testing.T) {
	got := read[AgentStatusChange](t, sample(t, TypeAgentStatusChange))
	want := AgentStatusChange{
		AgentFields: AgentFields{
			Common: Common{
				MsgInfo:       MsgInfo{"sapi01.example.com", "215", "1744819144917"},
				StatusEventTS: "1744819144",
			},
			AgentID: agent,
		},
		NewState: AgentAvailable, NewSubState: "none", NewSubStateReason: "none", NewReasonCodeUser: "801=1722",
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v", got)
	}
	if at := got.Time(); !at.Equal(unix(1744819144)) {
		t.Errorf("at %v", at)
	}
}

func TestAgentSkillChanged(t *testing.T) {
	got := read[AgentSkillChanged](t, sample(t, TypeAgentSkillChanged))
	if !got.Enabled.True() || got.SkillID == "" || got.TenantSkillID != "tenant01-phone-529-5d2c7a10" || got.Event != TypeAgentSkillChanged {
		t.Errorf("%+v", got)
	}
	if !got.Time().IsZero() {
		t.Errorf("at %v, and nothing says so", got.Time())
	}
}

func TestInteractionCreated(t *testing.T) {
	got := read[InteractionCreated](t, sample(t, TypeInteractionCreated))
	want := AttachedData{
		{KeyPri, "100"}, {KeyCallingName, "Ada Example"}, {KeyChannel, "13125550168"}, {KeyPhoneNum, "5515550112"},
		{KeyRemoteCallingName, "Ada Example"}, {KeyRemotePhoneNum, "+15515550112"},
	}
	if !reflect.DeepEqual(got.AttachedData, want) {
		t.Errorf("%q", got.AttachedData)
	}
	if got.CallState != CallQueued || got.ResourceType != ResourcePhone || got.InboundChannelID != "13125550168" || !got.Time().Equal(unix(1744819217)) {
		t.Errorf("%+v", got)
	}
	if n, err := got.MsgInfo.SequenceID.Int64(); err != nil || n != 224 {
		t.Errorf("sequence %d, %v", n, err)
	}
}

func TestInteractionQueued(t *testing.T) {
	got := read[InteractionQueued](t, sample(t, TypeInteractionQueued))
	if got.Direction != DirectionIn || got.MediaType != MediaPhone || got.Queue() != "1162" || got.QueueList != "1162" || got.Priority != "50" ||
		got.TransactionNum != "848184" || !got.CallerPermission.True() || !got.OverrideAutoInteractionRecording.True() {
		t.Errorf("%+v", got)
	}
	if yes, ok := got.IsAgentInitiated.Value(); yes || !ok {
		t.Errorf("agent initiated: %v, %v", yes, ok)
	}
	for _, s := range []Seconds{got.EventTS, got.QueueTime, got.InteractionEventTS} {
		if !s.Time().Equal(unix(1744819236)) {
			t.Errorf("%q is %v", s, s.Time())
		}
	}
}

func TestInteractionAssigned(t *testing.T) {
	got := read[InteractionAssigned](t, sample(t, TypeInteractionAssigned))
	if got.AgentPhone != "40375" || got.AgentTreatedPhone != "40375-tenant" || got.AgentRscWaitTime != "30" || got.PromptingTimeout != "30" ||
		got.OutboundCampaignID != "4926" || !got.IsOutboundCall.True() || !got.IsExternal.True() || got.IsDirectAccess.True() || got.Direction != DirectionOut {
		t.Errorf("%+v", got)
	}
}

func TestInteractionRejected(t *testing.T) {
	got := read[InteractionRejected](t, sample(t, TypeInteractionRejected))
	if got.RejectReason != RejectByAgent || got.AgentID != agent || !strings.Contains(string(got.AgentGUID), agent) {
		t.Errorf("%+v", got)
	}
}

func TestInteractionDeleted(t *testing.T) {
	got := read[InteractionDeleted](t, sample(t, TypeInteractionDeleted))
	if got.HangupInitiator != HangupByCustomer || got.CallHangupReason != HangupNormal || got.DispositionCode != "1000" ||
		got.RejectReason != RejectUnknown || got.CallState != CallDisconnected || !got.IsQueued.Valid() {
		t.Errorf("%+v", got)
	}
}

func TestLineStatus(t *testing.T) {
	if got := read[LineHoldStatus](t, sample(t, TypeLineHoldStatus)); !got.Status.True() || got.CallState != CallHold {
		t.Errorf("%+v", got)
	}
	if got := read[LineMuteStatus](t, sample(t, TypeLineMuteStatus)); got.Status.True() || !got.Status.Valid() {
		t.Errorf("%+v", got)
	}
}

func TestRecordingStatus(t *testing.T) {
	got := read[RecordingStatus](t, sample(t, TypeRecordingStatus))
	if on, ok := got.RecordingMode.Recording(); !on || !ok || got.Status != RecordingResume || got.IsAPICall.True() || !got.IsAPICall.Valid() {
		t.Errorf("%+v", got)
	}
}

// GuestChatEnd has eventTS alone, which is not when it happened.
func TestGuestChatEnd(t *testing.T) {
	got := read[GuestChatEnd](t, sample(t, TypeGuestChatEnd))
	if !got.EventTS.Valid() || !got.Time().Equal(time.UnixMilli(1744819236708)) {
		t.Errorf("at %v: %+v", got.Time(), got)
	}
}

// Any event about an interaction decodes as Interaction.
func TestInteractionIsForAllOfThem(t *testing.T) {
	for _, name := range vcc.Types() {
		got := read[Interaction](t, sample(t, name))
		if strings.HasPrefix(name, "Agent") != (got.InteractionGUID == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
