package standin

import "slices"

// takes are the permissions that CloudFormation uses, in the name of whoever deploys, to
// make, look at, change and remove a resource: those that the type's schema in
// CloudFormation's registry names for its handlers, as far as they concern the properties
// of ackproof's template.
// https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
var takes = map[string][]string{
	"AWS::DynamoDB::Table": {
		"dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:DescribeTable", "dynamodb:UpdateTable",
		"dynamodb:DescribeTimeToLive", "dynamodb:UpdateTimeToLive", "dynamodb:DescribeContinuousBackups", "dynamodb:UpdateContinuousBackups",
		"dynamodb:DescribeContributorInsights", "dynamodb:DescribeKinesisStreamingDestination", "dynamodb:GetResourcePolicy",
		"dynamodb:ListTagsOfResource", "dynamodb:TagResource", "dynamodb:UntagResource",
	},
	"AWS::Lambda::Function": {
		"lambda:CreateFunction", "lambda:DeleteFunction", "lambda:GetFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
		"lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionRecursionConfig", "lambda:GetRuntimeManagementConfig",
		"lambda:ListTags", "lambda:TagResource", "lambda:UntagResource", "iam:PassRole", "s3:GetObject",
	},
	"AWS::Lambda::EventSourceMapping": {
		"lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping",
		"lambda:ListTags", "lambda:TagResource", "lambda:UntagResource",
	},
	"AWS::Lambda::EventInvokeConfig": {
		"lambda:PutFunctionEventInvokeConfig", "lambda:UpdateFunctionEventInvokeConfig", "lambda:GetFunctionEventInvokeConfig", "lambda:DeleteFunctionEventInvokeConfig",
	},
	"AWS::Lambda::Permission": {"lambda:AddPermission", "lambda:RemovePermission", "lambda:GetPolicy"},
	"AWS::IAM::Role": {
		"iam:CreateRole", "iam:DeleteRole", "iam:GetRole", "iam:UpdateRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy",
		"iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:TagRole", "iam:UntagRole",
	},
	"AWS::Logs::LogGroup": {
		"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DescribeLogGroups", "logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy",
		"logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource",
	},
	"AWS::SQS::Queue": {
		"sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SetQueueAttributes", "sqs:ListQueueTags", "sqs:TagQueue", "sqs:UntagQueue",
	},
	"AWS::S3::Bucket":             {"s3:CreateBucket", "s3:DeleteBucket", "s3:ListBucket", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging", "s3:GetBucketTagging"},
	"AWS::ApiGateway::RestApi":    {"apigateway:GET", "apigateway:POST", "apigateway:PUT", "apigateway:PATCH", "apigateway:DELETE"},
	"AWS::ApiGateway::Resource":   {"apigateway:GET", "apigateway:POST", "apigateway:PATCH", "apigateway:DELETE"},
	"AWS::ApiGateway::Method":     {"apigateway:GET", "apigateway:PUT", "apigateway:PATCH", "apigateway:DELETE", "iam:PassRole"},
	"AWS::ApiGateway::Deployment": {"apigateway:GET", "apigateway:POST", "apigateway:PATCH", "apigateway:DELETE"},
	"AWS::ApiGateway::Stage":      {"apigateway:GET", "apigateway:POST", "apigateway:PUT", "apigateway:PATCH", "apigateway:DELETE"},
}

// Takes lists the permissions that CloudFormation uses for a type of resource, in the
// name of whoever deploys; none: it is a type that ackproof's template does not have.
func Takes(kind string) []string { return slices.Clone(takes[kind]) }
