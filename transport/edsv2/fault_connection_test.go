package edsv2
var connectionFaults, frameFaults, ackFaults, closeFaults []fault
