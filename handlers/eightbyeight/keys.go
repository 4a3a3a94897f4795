package eightbyeight

// The keys of AttachedData that "Field Reference" lists, by its groups. Behind
// each is what to read it with, where that is not Text.
const (
	// Basic.
	KeyPhoneNum    = "phoneNum"
	KeyPho         = "pho"
	KeyCallingName = "callingName" // the number, when there is no name
	KeyCallerID    = "callerId"
	KeyPri         = "@pri"     // Number
	KeyPriority    = "priority" // Number; 50 is usual
	KeyMedia       = "med"      // T phone, C chat and SMS
	KeyChannel     = "cha"
	KeyChannelName = "channelName"
	KeyCounter     = "cnt" // Number
	KeyContact     = "con"
	KeyToken       = "tok"

	// Queue and routing.
	KeyQueue           = "que" // AttachedData.QueueID
	KeyOriginalQueue   = "oqu" // QueueNumber
	KeyQueueDirection  = "queueDirection"
	KeyTenantName      = "tenantName"
	KeyTenantSkillName = "tenantSkillName"

	// Timing.
	KeyTim                        = "tim"                            // Seconds
	KeyOtim                       = "otim"                           // Seconds; entry into the queue
	KeyWaitTime                   = "waitTime"                       // Number, of seconds
	KeyCallAnsweredTime           = "callAnsweredTime"               // Millis
	KeyCallHangupTime             = "callHangupTime"                 // Millis
	KeyCallAnsweredTenantTT       = "callAnsweredTenantTT"           // in the tenant's time zone
	KeyCallHangupTenantTT         = "callHangupTenantTT"             // in the tenant's time zone
	KeyCallDuration               = "callDuration"                   // Elapsed
	KeyCallDurationSec            = "callDurationSec"                // Number, of seconds
	KeyPhoneQueueInteractionStart = "phoneQueueInteractionStartTime" // Seconds

	// Recording.
	KeyTenantRecServer = "tenantRecServer"
	KeyAgentCallRec    = "aAgtCallRec" // Bool
	KeyAgtInitVR       = "agtInitVR"
	KeyCallerPerm      = "callerPerm" // Bool
	KeyVRecP           = "vRecP"      // Number

	// Outbound and campaigns.
	KeyTransType              = "ctl_transType" // agentdial, campaign, ...
	KeyDestType               = "destType"
	KeyOutboundTclItemID      = "outboundTclItemId"
	KeyOutboundTclListID      = "outboundTclListId"
	KeyOutboundTclShortCode   = "outboundTclShortCode"
	KeyCampaignID             = "campId"
	KeyCampaignName           = "campName"
	KeyDialMode               = "dialMode" // preview, progressive, ...
	KeyExtRecordID            = "extRecordId"
	KeyExtRecordType          = "extRecordType"
	KeyPhoneList              = "phoneList"
	KeyPreviewTimeout         = "previewTimeout"
	KeyRejectOnPreviewTimeout = "rejectOnPreviewTimeout" // Bool
	KeyRetryCount             = "retry_count"            // Number
	KeyShowSkipButton         = "showSkipButton"         // Bool

	// The interaction before a transfer.
	KeyOriginalInteractionGUID = "originalInteractionGuid"
	KeyOriginalTokenID         = "originalTokenId"
	KeyOriginalTransactionID   = "originalTransactionId"

	// Disposition.
	KeyTransactionCodes = "tclSelectedItems" // AttachedData.TransactionCodes

	// Digital channels.
	KeyChaletChat                      = "chaletChat" // Bool
	KeyChaletRoom                      = "chaletRoom"
	KeyChannelID                       = "channelId"
	KeyCreateInteractionTimestampNanos = "createInteractionTimestampNanos" // Nanos
	KeyCustomerLanguage                = "customerLanguage"
	KeyExtTransactionData              = "extTransactionData"
	KeyExtTransactionDataID            = "extTransactionDataID"
	KeySessionID                       = "sessionId"
	KeyTimezoneOffset                  = "timezoneOffset" // Number
	KeyType                            = "type"           // such as SMS
	KeyName                            = "nam"

	// The other party.
	KeyRemoteCallingName = "remoteCallingName"
	KeyRemotePhoneNum    = "remotePhoneNum" // with + and the country code

	// System.
	KeyUserData                 = "ctl_userdata"
	KeyExternalUserData         = "externalUserData"
	KeyCarrierCallBlockingCheck = "carrierCallBlockingCheck" // Number
	KeyRecordPhoneIndex         = "record_phone_index"       // Number
	KeySchemaUser               = "schema_user"

	// KeyPcsOffered is shown in "Legacy Streaming API Overview" alone.
	KeyPcsOffered = "pcsOffered"
)
