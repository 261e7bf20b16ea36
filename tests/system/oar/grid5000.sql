-- What Grid'5000 has on top of OAR's default set-up, as far as EnOSlib meets it.
INSERT INTO queues (queue_name, priority, scheduler_policy) VALUES
    ('production', 4, 'oar_sched_gantt_with_timesharing_and_fairsharing_and_quotas');

UPDATE admission_rules SET rule = replace(rule, 'my @types = (',
    'my @types = (qr/^origin=.+$/, qr/^exotic$/, qr/^monitor=.+$/, qr/^production$/, '
    'qr/^allow_classic_ssh$/, ') WHERE rule LIKE '%unknown job type%';

INSERT INTO admission_rules (priority, enabled, rule) VALUES (16, 'YES', $rule$
# subnets are asked for by slash_N= alone
foreach my $mold (@{$ref_resource_list}) {
    foreach my $r (@{$mold->[0]}) {
        if ($r->{resources}->[0]->{resource} =~ /^slash_/ and not defined($r->{property})) {
            $r->{property} = "type = 'subnet'";
        }
    }
}
$rule$), (18, 'YES', $rule$
# exotic and production clusters must be asked for; kavlans and subnets go with any
if (not grep(/^exotic$/, @{$type_list})) {
    $jobproperties .= " AND (exotic = 'NO' OR type <> 'default')";
}
if ($queue_name ne "besteffort" and $queue_name ne "admin") {
    my $wanted = $queue_name eq "production" ? "YES" : "NO";
    $jobproperties .= " AND (production = '$wanted' OR type <> 'default')";
}
$rule$);
